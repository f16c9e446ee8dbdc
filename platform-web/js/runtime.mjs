// The runtime as JavaScript sees it. It talks to an engine (engine.mjs here, or one in a worker behind a port)
// in batches: operations out, events in. Everything it promises is settled: by an event, by the end of the actor
// in whose name it was asked, or by the end of the runtime.
import { Actor, Context } from './actor.mjs';
import { Writer, isRef, makeRef, textOf } from './cbor.mjs';
import { ClosedError, EncodeError, NoProcessError, TroupeError, errorOf, reasonNumbers, reasonOf } from './errors.mjs';
import { Link } from './link.mjs';
import { EVENT, OP, RecordReader, SAME, patchLength, putRecord } from './record.mjs';
import { asyncDispose } from './status.mjs';
import { Types } from './types.mjs';
import { startWorker } from './workers.mjs';

const MAIN = 0;
const CALL_TIMEOUT = 5000;
const STATS = ['actors', 'spawned', 'delivered', 'deadLetters', 'lateReplies', 'timers', 'failures'];

export class Runtime {
  types = new Types();
  sessions = new Map();   // id -> what link.mjs attached
  #engine = null;
  // The minifier moves a class to where alone it is used. Here that is not done anew for each actor.
  Context = Context;
  #Actor = Actor;
  #ops = new Writer();
  #segment = -1;          // where the open segment begins, -1: none
  #segmentPort = 0;
  #to;                    // the text of the addressee of the operation before in this segment
  #writeMessage = (writer, message) => this.types.write(writer, message);
  #events = [];           // RecordReaders not read to the end
  #running = [];          // actors with an activation, in order
  #actors = new Map();
  #behaviours = new Map();
  #pending = new Map();   // id -> { resolve, reject, take, ... }
  #closables = new Set(); // links and workers
  #lastId = 0;
  #state = 'open';
  #closing = null;
  #settleClosed;

  constructor(options) {
    this.options = options;
    this.closed = new Promise((resolve, reject) => {
      this.#settleClosed = { resolve, reject };
    });
    this.closed.catch(() => {});
  }

  /** Used once by createRuntime. */
  attach(engine) {
    this.#engine = engine;
    this.drain(Infinity);
  }

  get name() { return this.options.name; }

  get info() {
    return {
      version: this.#engine.version, name: this.name, place: this.options.place,
      behaviours: [...this.#behaviours.keys()], types: this.types.names,
      ticks: this.#engine.ticks,
    };
  }

  // --- actors ---------------------------------------------------------------------------------------------

  /** Spawns a C behaviour by name, or a JavaScript behaviour: an object with `receive`. */
  async spawn(behaviour, args, { name = '', signal } = {}) {
    signal?.throwIfAborted();
    const ref = await (typeof behaviour === 'string' ? this.#spawnNamed(behaviour, args, name)
      : this.#spawnObject(behaviour, args, name));
    if (signal?.aborted) {
      this.kill(ref).catch(() => {});
      throw signal.reason;
    }
    return ref;
  }

  #spawnNamed(behaviour, args, name) {
    const type = this.#behaviours.get(behaviour);
    if (type === undefined) {
      throw new TroupeError('notfound', `no behaviour is called ${behaviour}`, {
        hint: `there are: ${[...this.#behaviours.keys()]}`,
      });
    }
    if (args !== undefined && type === 0) {
      throw new EncodeError(`${behaviour} takes no argument`, { path: '' });
    }
    const body = args === undefined ? undefined : (writer) => this.types.writeAs(writer, type, args);
    return this.#ask(undefined, makeSpawned,
      (id) => this.put(MAIN, OP.SPAWN, id, type, 0, 0, `${behaviour}\0${name}`, body));
  }

  #spawnObject(behaviour, args, name) {
    if (typeof behaviour?.receive !== 'function') {
      throw new TypeError('a behaviour is a name or an object with `receive`');
    }
    const key = this.nextId();
    const actor = new this.#Actor(this, key, behaviour);
    this.#actors.set(key, actor);
    const spawned = this.#ask(undefined, makeSpawned,
      () => this.put(MAIN, OP.SPAWN_PORT, key, 0, 0, 0, name), key);
    return spawned.then((ref) => new Promise((resolve, reject) => {
      actor.start(ref, args, (error) => (error ? reject(error) : resolve(ref)));
    }), (error) => {
      this.#actors.delete(key);
      throw error;
    });
  }

  /** Who has this name here, or null. */
  whereis(name, { signal } = {}) {
    return this.#ask(signal, (data, error) => (error ? null : makeRef(textOf(data))),
      (id) => this.put(MAIN, OP.WHEREIS, id, 0, 0, 0, name));
  }

  /** Resolves `m.down` with `{ reason }` when the actor ends; `m.cancel()` gives the monitor up. */
  monitor(ref) {
    const id = this.nextId();
    const down = this.#wait({ id, to: ref }, () => this.put(MAIN, OP.MONITOR, id, 0, 0, 0, this.target(ref)));
    down.catch(() => {});
    const cancel = () => {
      if (this.settle(id, new TroupeError('canceled', 'the monitor was cancelled'))) {
        this.put(MAIN, OP.DEMONITOR, id);
      }
    };
    return { ref, down, cancel };
  }

  /** Asks an actor to end, after what it was sent before. False if it was gone. */
  async stop(ref, reason, { signal } = {}) {
    const [kind, code, text] = reasonNumbers(reason);
    return this.#ask(signal, notGone,
      (id) => this.put(MAIN, OP.STOP, id, kind, 0, code, this.target(ref), text));
  }

  /** Ends an actor at once. False if it was gone. */
  kill(ref, { signal } = {}) {
    return this.#ask(signal, notGone, (id) => this.put(MAIN, OP.KILL, id, 0, 0, 0, this.target(ref)));
  }

  // --- messages -------------------------------------------------------------------------------------------

  /** Sends. Whether anybody gets it shows only in the statistics; a value that cannot be sent throws. */
  send(to, message, options) {
    this.sendAs(MAIN, to, message, options);
  }

  sendAs(port, to, message, { tag = 0 } = {}) {
    if (this.#state === 'open') {
      this.putBody(port, OP.SEND, 0, tag, to, message);
    }
  }

  /** Sends a request and resolves with the reply. */
  call(to, message, options) {
    return this.callAs(null, to, message, options);
  }

  async callAs(actor, to, message, { timeout = CALL_TIMEOUT, signal } = {}) {
    if (!(timeout >= 0)) {
      throw new TypeError('timeout is a number of milliseconds');
    }
    if (actor && actor.ref.pid === to?.pid) {
      throw errorOf(-20, 'an actor cannot call itself', { ref: to });
    }
    const port = actor?.port ?? MAIN;
    const id = this.nextId();
    const entry = {
      id, actor, signal, to, timeout,
      cancel: () => this.put(port, OP.CANCEL, id),
    };
    return this.#wait(entry, () => this.putBody(port, OP.CALL, id, timeout, to, message));
  }

  // --- nodes ----------------------------------------------------------------------------------------------

  /** Lets guests and other nodes reach the actor that has this name. */
  expose(...names) {
    names.forEach((name) => this.put(MAIN, OP.EXPOSE, 0, 0, 0, 0, name));
  }

  /** Keeps a session to the node behind a WebSocket URL. Returns at once; await `link.ready`. */
  connect(url, options = {}) {
    this.#mustBeOpen();
    this.expose(...options.expose ?? []);
    return this.own(new Link(this, url, options));
  }

  /** Starts a worker with a runtime of its own, a node linked to this one. */
  async startWorker(options) {
    this.#mustBeOpen();
    return startWorker(this, options);
  }

  /** Closes `closable` with the runtime. */
  own(closable) {
    this.#closables.add(closable);
    return closable;
  }

  disown(closable) {
    this.#closables.delete(closable);
  }

  // --- the runtime itself ---------------------------------------------------------------------------------

  /** Counters of the core. */
  stats({ signal } = {}) {
    return this.#ask(signal, (data) => {
      const numbers = new Float64Array(data.slice().buffer);
      return Object.fromEntries(STATS.map((name, i) => [name, numbers[i]]));
    }, (id) => this.put(MAIN, OP.STATS, id));
  }

  /** Asks all actors to stop, waits for them up to `drain` milliseconds, frees everything. Idempotent. */
  close({ drain = 500 } = {}) {
    this.#closing ??= this.#close(drain);
    return this.#closing;
  }

  [asyncDispose]() { return this.close(); }

  async #close(drain) {
    if (this.#state === 'open') {
      await Promise.allSettled([...this.#closables].map((closable) => closable.close()));
      this.put(MAIN, OP.SHUTDOWN, 0, 0, 0, drain);
      this.#state = 'closing';
      // The engine ends by itself once the last actor has; the timer is for a worker that does not answer.
      const timer = setTimeout(() => this.stopped(), drain + 1000);
      await this.closed.catch(() => {});
      clearTimeout(timer);
    }
  }

  /** A handler or callback has failed and nobody else will say so. */
  reportError(error, actor) {
    const { onerror } = this.options;
    if (onerror) {
      onerror(error, actor?.ref ?? null);
    } else {
      console.error(`troupe: ${actor ? `actor ${actor.ref?.pid} failed:` : ''}`, error);
    }
  }

  // --- for the parts of this package: operations ----------------------------------------------------------

  nextId() {
    do {
      this.#lastId = this.#lastId + 1 >>> 0 || 1;
    } while (this.#pending.has(this.#lastId) || this.#actors.has(this.#lastId));
    return this.#lastId;
  }

  /** Writes one operation in the name of `port`; those of one port in a row share a segment. */
  put(port, code, id = 0, value = 0, extra = 0, number = 0, a = undefined, b = undefined) {
    if (this.#beginSegment(port)) {
      this.#to = undefined;
      putRecord(this.#ops, code, id, value, extra, number, a, b);
    }
  }

  /** The same for operations with a message as `b`. Its addressee is written once for many in a row. */
  putBody(port, code, id, number, to, message) {
    if (!this.#beginSegment(port)) {
      return;
    }
    const text = to && this.target(to);
    const isSame = text && text === this.#to;
    putRecord(this.#ops, isSame ? code | SAME : code, id, 0, 0, number, isSame ? '' : text, this.#writeMessage, message);
    this.#to = text;
  }

  #beginSegment(port) {
    if (this.#state === 'closed') {
      return false;
    }
    if (this.#segment < 0 || this.#segmentPort !== port) {
      this.#endSegment();
      this.#segmentPort = port;
      this.#segment = putRecord(this.#ops, OP.SEGMENT, port, 0, 0, 0);
      this.#to = undefined;
    }
    this.#engine.wake();
    return true;
  }

  #endSegment() {
    if (this.#segment >= 0) {
      patchLength(this.#ops, this.#segment);
      this.#segment = -1;
    }
  }

  /** The text that names `to`: that of a ref, or a local name. */
  target(to) {
    if (typeof to === 'string') {
      return to;
    }
    if (!isRef(to)) {
      throw new TypeError('the addressee is no ref and no name');
    }
    return to.pid;
  }

  // --- for the parts of this package: promises ------------------------------------------------------------

  #mustBeOpen() {
    if (this.#state !== 'open') {
      throw new ClosedError('the runtime is closed');
    }
  }

  #ask(signal, take, start, id = this.nextId()) {
    return this.#wait({ id, signal, take }, () => start(id));
  }

  // Registers a promise under entry.id and starts what will settle it.
  #wait(entry, start) {
    return new Promise((resolve, reject) => {
      this.#mustBeOpen();
      const { signal } = entry;
      signal?.throwIfAborted();
      Object.assign(entry, { resolve, reject });
      start();
      this.#pending.set(entry.id, entry);
      entry.actor?.pending.add(entry.id);
      if (signal) {
        entry.abort = () => {
          entry.cancel?.();
          this.settle(entry.id, signal.reason);
        };
        signal.addEventListener('abort', entry.abort);
      }
    });
  }

  /** Settles a promise: with `value`, or with an error. False if it was settled already. */
  settle(id, error, value) {
    const entry = this.#pending.get(id);
    if (!entry) {
      return false;
    }
    this.#pending.delete(id);
    entry.actor?.pending.delete(id);
    entry.signal?.removeEventListener('abort', entry.abort);
    if (error) {
      entry.reject(error);
    } else {
      entry.resolve(value);
    }
    return true;
  }

  // --- the engine's client --------------------------------------------------------------------------------

  takeOps() {
    this.#endSegment();
    const ops = this.#ops.bytes.subarray(0, this.#ops.at);
    this.#ops.at = 0;
    return ops;
  }

  pushEvents(bytes) {
    this.#events.push(new RecordReader(bytes));
  }

  isAwaited() {
    return this.#pending.size > 0;
  }

  hasWork() {
    return this.#ops.at > 0 || this.#events.length > 0 || this.#running.length > 0;
  }

  /** Works on events and activations until `deadline`; true if nothing is left. */
  drain(deadline) {
    for (const reader of this.#events) {
      for (let record; (record = reader.next());) {
        this.#event(record);
      }
    }
    this.#events.length = 0;
    for (const session of this.sessions.values()) {
      session.flush();
    }
    const running = this.#running;
    this.#running = [];
    for (let i = 0; i < running.length; i++) {
      if (!running[i].work(deadline)) {
        this.#running = running.slice(i).concat(this.#running);
        return false;
      }
    }
    return true;
  }

  /** `actor` goes on with its activation. */
  resume(actor) {
    this.#running.push(actor);
    this.#engine.wake();
  }

  stopped() {
    this.#end(new ClosedError('the runtime was closed'));
    this.#settleClosed.resolve();
  }

  crashed(error) {
    if (this.#state !== 'closed') {
      this.#end(error);
      this.#settleClosed.reject(error);
      this.reportError(error);
    }
  }

  #end(error) {
    if (this.#state === 'closed') {
      return;
    }
    this.#state = 'closed';
    this.#engine.close();
    for (const actor of this.#actors.values()) {
      actor.end({ kind: 'shutdown', code: 0, text: '' });
    }
    for (const id of this.#pending.keys()) {
      this.settle(id, error);
    }
    for (const session of this.sessions.values()) {
      session.closed(error);
    }
    for (const closable of this.#closables) {
      closable.close();
    }
  }

  // --- events ---------------------------------------------------------------------------------------------

  #event(event) {
    if (event.code === EVENT.LOST_MEMORY) {
      throw new RangeError('it is out of memory, and events were lost');
    }
    try {
      this.#dispatch(event);
    } catch (error) {
      this.reportError(error);
    }
  }

  #dispatch(event) {
    const { code, id, value } = event;
    const text = () => textOf(event.a);
    const reason = (kind) => reasonOf(kind, event.number, text());
    const session = this.sessions.get(id);
    switch (code) {
      case EVENT.TYPE:
        return this.types.add(id, textOf(event.b), event.reader());
      case EVENT.BEHAVIOUR:
        return this.#behaviours.set(text(), value);
      case EVENT.RESULT:
        return this.#settleWith(id, () => this.#pending.get(id).take(event.a, value));
      case EVENT.REPLY:
        return this.#settleWith(id, () => this.types.read(value, event.reader()));
      case EVENT.FAILURE:
        return this.#failure(id, value, reason(event.extra));
      case EVENT.ACTIVATE: {
        const actor = this.#actors.get(id);
        actor?.activate(event.a);
        return actor && this.#running.push(actor);
      }
      case EVENT.DOWN:
        return this.settle(id, null, { ref: this.#pending.get(id)?.to, reason: reason(value) });
      case EVENT.EXIT:
        return this.#exit(id, reason(value));
      case EVENT.SEND_BYTES:
        return session?.send(event.a);
      case EVENT.STATE:
        return session?.state(value, text(), event.extra, textOf(event.b));
      case EVENT.CLOSED:
        return session?.closed(value === 0 ? null : errorOf(value, text()));
      default:
        throw new TypeError(`event ${code}`);
    }
  }

  // Settles with what `make` returns or throws.
  #settleWith(id, make) {
    try {
      this.settle(id, null, make());
    } catch (error) {
      this.settle(id, error);
    }
  }

  #failure(id, number, reason) {
    const entry = this.#pending.get(id);
    if (entry) {
      const to = entry.to?.pid ?? entry.to;
      this.settle(id, errorOf(number, failureText(number, to, reason, entry), { ref: entry.to, reason }));
    }
  }

  #exit(key, reason) {
    const actor = this.#actors.get(key);
    this.#actors.delete(key);
    actor?.end(reason);
  }
}

function failureText(number, to, reason, { timeout }) {
  switch (number) {
    case -8: return `${to} did not reply within ${timeout} ms`;
    case -4: return `there is no actor ${to}`;
    case -13: return `no connection to the node of ${to}`;
    case -22: return `${to} ended before it replied: ${reason.kind} ${reason.text}`;
    default: return reason.text || `the call to ${to} failed`;
  }
}

function makeSpawned(data, error) {
  if (error) {
    throw errorOf(error, error === -10 ? 'the name is taken' : 'the actor could not be spawned');
  }
  return makeRef(textOf(data));
}

function notGone(data, error) {
  if (error && error !== -4 && error !== -11) {
    throw errorOf(error, 'the actor could not be stopped');
  }
  return error === 0;
}
