// Types of the package `troupe`. Declared, not inferred: what a message holds is yours to say.

/** Names an actor, anywhere. A frozen plain value: compare `pid`, post it to a worker, send it in a message. */
export interface Ref {
  readonly pid: string;
}

/** Who a message goes to: a ref, or the name of an actor of this runtime. */
export type Target = Ref | string;

/** What can be sent. Objects with `$type` are messages of a type that C knows; all others are plain data. */
export type Value =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | ArrayBuffer
  | ArrayBufferView
  | Ref
  | readonly unknown[]
  | object;

export type ExitKind = 'normal' | 'shutdown' | 'killed' | 'noproc' | 'noconnection' | 'error';

/** Why an actor ended. */
export interface ExitReason {
  readonly kind: ExitKind;
  /** A negative number of the runtime, or one of the application. */
  readonly code: number;
  readonly text: string;
}

/** A reason to give: an exit kind, a text (then the kind is `error`), or the parts. */
export type ReasonInput = string | { kind?: Exclude<ExitKind, 'killed'>; code?: number; text?: string };

export interface SignalOption {
  signal?: AbortSignal;
}

export interface CallOptions extends SignalOption {
  /** Milliseconds, default 5000; `Infinity` waits for ever. */
  timeout?: number;
}

export interface SendOptions {
  /** By which a C actor selects messages. */
  tag?: number;
}

export interface SpawnOptions extends SignalOption {
  /** Registers the actor under this name. */
  name?: string;
}

/** A request that its receiver took, to be answered later, once. */
export interface Request {
  readonly from: Ref;
  reply(value?: Value): void;
  /** Rejects the caller's promise with this text, and with `number` = code. */
  reject(text: string, code?: number): void;
}

/** What the callbacks of a JavaScript behaviour get. */
export interface Context<State = any> {
  /** What `init` returned. */
  state: State;
  readonly self: Ref;
  readonly runtime: Runtime;
  /** Who asked, while a request is handled; else null. */
  readonly from: Ref | null;
  readonly tag: number;
  send(to: Target, message: Value, options?: SendOptions): void;
  call<Reply = any>(to: Target, message: Value, options?: CallOptions): Promise<Reply>;
  spawn(behaviour: string, args?: object, options?: SpawnOptions): Promise<Ref>;
  spawn<Args>(behaviour: Behaviour<Args>, args?: Args, options?: SpawnOptions): Promise<Ref>;
  whereis(name: string): Promise<Ref | null>;
  /** Calls `down` of the behaviour when `ref` ends. */
  monitor(ref: Target): { readonly id: number; readonly ref: Target; cancel(): void };
  /** Takes the request that is being handled. Before the first `await`. */
  take(): Request;
  /** Ends this actor when the running callback is through. */
  stop(reason?: ReasonInput): void;
}

/** A JavaScript actor. A callback that returns a promise keeps the actor busy until it settles. */
export interface Behaviour<Args = any, State = any, Message = any> {
  init?(args: Args, ctx: Context<State>): State | Promise<State>;
  /** What it returns is the reply if the message is a request. What it throws ends the actor. */
  receive(message: Message, ctx: Context<State>): unknown;
  down?(info: { id: number; ref: Target; reason: ExitReason }, ctx: Context<State>): unknown;
  /** The last callback, not after a kill. */
  stop?(reason: ExitReason, ctx: Context<State>): unknown;
}

export interface Monitor {
  readonly ref: Target;
  /** Rejects only if the monitor is cancelled or the runtime ends. */
  readonly down: Promise<{ ref: Target; reason: ExitReason }>;
  cancel(): void;
}

export type Right =
  | 'sendNames' | 'sendPids' | 'monitor' | 'link' | 'spawn' | 'exit' | 'names' | 'groups' | 'observe' | 'anyPid';

export interface LinkStatus {
  readonly state: 'connecting' | 'up' | 'suspect' | 'down' | 'closed';
  /** Name of the other node, '' until it is known. */
  readonly node: string;
  /** Why it is down or closed. */
  readonly reason: Error | null;
  readonly attempt?: number;
  /** Milliseconds until the next attempt. */
  readonly retryMs?: number;
}

/** Another node, as it is seen from here. */
export interface Peer {
  readonly status: LinkStatus;
  readonly node: string;
  /** Resolves when it is up for the first time. Rejects when it is closed before. */
  readonly ready: Promise<this>;
  /** Each new status. Returns a function that ends that. */
  subscribe(listener: (status: LinkStatus) => void): () => void;
  /** The status now, and each later one. */
  changes(options?: SignalOption): AsyncIterableIterator<LinkStatus>;
  /** Whoever is called `name` there, now and after a reconnection. */
  ref(name: string): Ref;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Link extends Peer {
  /** Checks the connection now, or tries again now. */
  probe(): void;
}

export type WorkerNode = Peer;

export interface ConnectOptions extends SignalOption {
  /** Shown to the server; a function is asked again for each attempt. */
  token?: string | Uint8Array | (() => string | Uint8Array | Promise<string | Uint8Array>);
  /** Pauses between attempts in milliseconds; `false` makes one attempt only. */
  reconnect?: false | { min?: number; max?: number; jitter?: boolean };
  /** What the server may do here; default `['sendNames', 'sendPids']`. */
  rights?: Right[];
  /** Names that the server may send to. */
  expose?: string[];
  /** Where the platform has none, for example Node before 22. */
  WebSocket?: new (url: string, protocol: string) => any;
}

/** Where the wasm is: a URL, bytes, a module, or what troupe_add_web_module writes. */
export type WasmSource = string | URL | Response | BufferSource | WebAssembly.Module | { default: string };

export interface WorkerOptions extends SignalOption {
  /** Name of the new node. */
  name?: string;
  /** Default: the module of this runtime. */
  wasm?: WasmSource | Promise<WasmSource>;
  /** C behaviours to begin with: name, argument, options. */
  spawn?: [behaviour: string, args?: object, options?: { name?: string }][];
  /** An ES module whose default export is called with the worker's runtime. */
  module?: string | URL;
  /** Where slim.mjs is, or a function that starts it. */
  workerUrl?: string | URL | (() => Worker);
}

export interface RuntimeOptions extends SignalOption {
  wasm?: WasmSource | Promise<WasmSource>;
  /** Where the actors of C run; the API is the same. Default 'page'. */
  place?: 'page' | 'worker';
  workerUrl?: string | URL | (() => Worker);
  /** How long actors may run before the event loop gets its turn; default 4 ms, in workers 12 ms. */
  sliceMs?: number;
  /** Name of this node; default a random one. */
  name?: string;
  actorsMax?: number;
  mailboxMessages?: number;
  heartbeatMs?: number;
  patienceMs?: number;
  /** Level 0 (debug) to 3 (error), the actor or '', the text. Default: the console. */
  log?(level: number, who: string, text: string): void;
  /** A callback of an actor has failed, or the runtime has. Default: console.error. */
  onerror?(error: unknown, actor: Ref | null): void;
}

export interface RuntimeInfo {
  readonly version: string;
  readonly name: string;
  readonly place: 'page' | 'worker';
  readonly behaviours: string[];
  readonly types: string[];
  /** Event-loop ticks so far. An idle runtime adds none. */
  readonly ticks: number;
}

export interface Stats {
  actors: number;
  spawned: number;
  delivered: number;
  deadLetters: number;
  lateReplies: number;
  timers: number;
  failures: number;
}

export interface Runtime {
  readonly name: string;
  readonly info: RuntimeInfo;
  /** Resolves when the runtime was closed, rejects when it crashed. */
  readonly closed: Promise<void>;
  spawn(behaviour: string, args?: object, options?: SpawnOptions): Promise<Ref>;
  spawn<Args>(behaviour: Behaviour<Args>, args?: Args, options?: SpawnOptions): Promise<Ref>;
  whereis(name: string, options?: SignalOption): Promise<Ref | null>;
  send(to: Target, message: Value, options?: SendOptions): void;
  call<Reply = any>(to: Target, message: Value, options?: CallOptions): Promise<Reply>;
  monitor(ref: Target): Monitor;
  /** Resolves with false if the actor was gone. */
  stop(ref: Target, reason?: ReasonInput, options?: SignalOption): Promise<boolean>;
  kill(ref: Target, options?: SignalOption): Promise<boolean>;
  stats(options?: SignalOption): Promise<Stats>;
  /** Lets other nodes send to the actors with these names. */
  expose(...names: string[]): void;
  connect(url: string | URL, options?: ConnectOptions): Link;
  startWorker(options?: WorkerOptions): Promise<WorkerNode>;
  /** Stops all actors, waits for them up to `drain` milliseconds (default 500), frees everything. */
  close(options?: { drain?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function createRuntime(options?: RuntimeOptions): Promise<Runtime>;

export function isRef(value: unknown): value is Ref;

export type ErrorCode =
  | 'unsupported' | 'load' | 'timeout' | 'noproc' | 'exit' | 'full' | 'encode' | 'noconnection' | 'auth' | 'version'
  | 'crashed' | 'closed' | 'invalid' | 'nomem' | 'empty' | 'canceled' | 'exists' | 'notfound' | 'limit' | 'denied'
  | 'protocol' | 'decode' | 'type' | 'self' | 'state' | 'addrinuse' | 'io' | 'toobig' | 'deadlock' | 'error';

export class TroupeError extends Error {
  readonly code: ErrorCode;
  /** What to do about it, or ''. */
  readonly hint: string;
  /** Of a call: who was called. */
  readonly ref?: Target;
  /** Of a call whose callee ended, and of others: the exit reason. */
  readonly reason?: ExitReason;
  /** Of code 'error': the number that the callee gave. */
  readonly number?: number;
}
export class UnsupportedError extends TroupeError {}
export class LoadError extends TroupeError {}
export class CallTimeoutError extends TroupeError {}
export class NoProcessError extends TroupeError {}
export class ExitError extends TroupeError {}
export class MailboxFullError extends TroupeError {}
export class EncodeError extends TroupeError {
  /** Where in the value, for example `list.3.name`. */
  readonly path: string;
}
export class NodeDownError extends TroupeError {}
export class AuthError extends TroupeError {}
export class ProtocolMismatchError extends TroupeError {}
export class RuntimeCrashedError extends TroupeError {}
export class ClosedError extends TroupeError {}

/** True for an error of this package, also of another copy of it. */
export function isTroupeError(error: unknown, code?: ErrorCode): error is TroupeError;
