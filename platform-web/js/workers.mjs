// Workers: for the page's own runtime (`place: 'worker'`), and as further nodes (`startWorker`). Both begin with one
// message, `{ troupe: 'engine' | 'node', port, ... }`, after which everything goes over the port.
import { LoadError, NodeDownError, RuntimeCrashedError, TroupeError, UnsupportedError, errorOf } from './errors.mjs';
import { isNode, nodeModule } from './load.mjs';
import { ALL_RIGHTS, STATES, Session } from './session.mjs';
import { Status } from './status.mjs';
import { Ticker } from './ticker.mjs';

const START_TIMEOUT = 20000;

/** Starts the worker file. `workerUrl` is a URL, or a function that makes the Worker. */
export async function makeWorker(workerUrl, name) {
  if (typeof workerUrl === 'function') {
    return workerUrl();
  }
  if (typeof Worker === 'function') {
    // Bundlers look for exactly this expression.
    return workerUrl ? new Worker(workerUrl, { type: 'module', name })
      : new Worker(new URL('./slim.mjs', import.meta.url), { type: 'module', name });
  }
  if (isNode) {
    const { Worker: NodeWorker } = await nodeModule('worker_threads');
    return new NodeWorker(workerUrl ? new URL(workerUrl) : new URL('./slim.mjs', import.meta.url));
  }
  throw new UnsupportedError('there are no workers here');
}

function onFailure(worker, handler) {
  if (worker.addEventListener) {
    worker.addEventListener('error', handler);
  } else {
    worker.on('error', handler);
    worker.on('exit', () => handler(new Error('the worker has exited')));
  }
}

/** Resolves with the first message of the worker's port. */
export function firstMessage(port, worker, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new LoadError('the worker did not start in time')), START_TIMEOUT);
    const settle = (action) => (value) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      action(value);
    };
    const aborted = settle(() => reject(signal.reason));
    signal?.addEventListener('abort', aborted);
    port.onmessage = settle(({ data }) => (data.error ? reject(reviveError(data.error)) : resolve(data)));
    onFailure(worker, settle((event) => reject(new LoadError('the worker did not start', {
      cause: event.error ?? event,
      hint: 'check that slim.mjs is served from the same origin, or pass `workerUrl`',
    }))));
  });
}

/** Errors cross a port as plain objects. */
export const packError = (error) => ({ code: error?.code, message: String(error?.message ?? error), hint: error?.hint });
function reviveError({ code, message, hint }) {
  const error = new TroupeError(code ?? 'load', message);
  error.hint = hint ?? '';
  return error;
}

/** An engine in a worker, with the interface of the one in engine.mjs. */
export class RemoteEngine {
  #worker;
  #port;
  #client;
  #ticker = new Ticker(() => this.#tick());
  #info;
  #sent = 0;
  #done = 0;
  #alive = false;

  static async start(module, client, { workerUrl, signal, log, ...options }) {
    const { port1, port2 } = new MessageChannel();
    const worker = await makeWorker(workerUrl, options.name);
    worker.postMessage({ troupe: 'engine', module, options, port: port2 }, [port2]);
    try {
      const info = await firstMessage(port1, worker, signal);
      return new RemoteEngine(worker, port1, client, info, log);
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  constructor(worker, port, client, info, log) {
    this.#worker = worker;
    this.#port = port;
    this.#client = client;
    this.#info = info;
    port.onmessage = ({ data }) => {
      if (data instanceof Uint8Array) {
        client.pushEvents(data);
        this.wake();
      } else if (data.idle !== undefined) {
        this.#done = data.idle;
        this.keepAlive(this.#alive);
      } else if (data.log) {
        log(...data.log);
      } else if (data.stopped) {
        client.stopped();
      } else {
        this.#crash(data.error);
      }
    };
    onFailure(worker, (event) => this.#crash(event));
    client.pushEvents(info.events);
    this.keepAlive(false);
  }

  get version() { return this.#info.version; }
  get memory() { return this.#info.memory; }
  get ticks() { return this.#ticker.count; }

  wake() {
    this.#ticker.arm();
  }

  keepAlive(alive) {
    this.#alive = alive;
    const how = alive || this.#sent !== this.#done ? 'ref' : 'unref';
    this.#worker[how]?.();
    this.#port[how]?.();
  }

  close() {
    this.#ticker.close();
    this.#port.close();
    this.#worker.terminate();
  }

  #crash(cause) {
    this.#client.crashed(new RuntimeCrashedError(`the worker failed: ${cause?.message ?? cause}`, { cause }));
  }

  #tick() {
    const client = this.#client;
    try {
      const done = client.drain(performance.now() + 4);
      const ops = client.takeOps();
      if (ops) {
        this.#port.postMessage(ops, [ops.buffer]);
        this.#sent++;
        this.keepAlive(this.#alive);
      }
      if (!done || client.hasWork()) {
        this.wake();
      }
    } catch (error) {
      this.#crash(error);
    }
  }
}

/** A worker with a runtime of its own, seen from the page: `ref(name)`, `status`, `close()`. */
export class WorkerNode extends Status {
  #runtime;
  #worker;
  #session;

  constructor(runtime, worker, port) {
    super();
    this.#runtime = runtime;
    this.#worker = worker;
    this.#session = portSession(runtime, port, true, this, (error) => this.#over(error));
    onFailure(worker, (event) => {
      this.#session.lost();
      this.#over(new NodeDownError('the worker failed', { cause: event.error ?? event }));
    });
  }

  /** Ends the worker: its actors are gone at once. */
  async close() {
    if (this.status.state !== 'closed') {
      this.#session.lost();
      this.#over(null);
    }
  }

  #over(reason) {
    if (this.status.state !== 'closed') {
      this.#runtime.disown(this);
      this.#worker.terminate();
      this.change('closed', { reason });
    }
  }
}

/** A session over a MessagePort between a page and its worker: the port itself is the proof. */
export function portSession(runtime, port, dialler, status, closed) {
  const session = new Session(runtime, { auth: 'inherited', dialler, rights: ALL_RIGHTS }, {
    write: (bytes) => {
      const whole = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
      port.postMessage(whole, [whole.buffer]);
    },
    state: (state, node, error, why) => {
      if (STATES[state] && status.status.state !== 'closed') {
        status.change(STATES[state], { node, reason: error ? errorOf(error, why) : null });
      }
    },
    closed,
  });
  port.onmessage = ({ data }) => session.receive(data);
  return session;
}

let workersStarted = 0;

export async function startWorker(runtime, { workerUrl, wasm, module, spawn = [], name, signal } = {}) {
  signal?.throwIfAborted();
  const compiled = wasm ? await runtime.options.load(wasm, signal) : runtime.options.module;
  const { port1, port2 } = new MessageChannel();
  const options = { name: name ?? `${runtime.name}.w${++workersStarted}` };
  const worker = await makeWorker(workerUrl ?? runtime.options.workerUrl, options.name);
  try {
    worker.postMessage({
      troupe: 'node', module: compiled, options, spawn, setup: module && String(module), port: port2,
    }, [port2]);
    await firstMessage(port1, worker, signal);
    const node = runtime.own(new WorkerNode(runtime, worker, port1));
    await node.ready;
    return node;
  } catch (error) {
    worker.terminate();
    throw error;
  }
}
