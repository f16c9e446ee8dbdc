// Workers: for the page's own runtime (`place: 'worker'`), and as further nodes (`startWorker`). Both begin with one
// message, `{ troupe: 'engine' | 'node', port, ... }`, after which everything goes over the port.
import { LoadError, NodeDownError, RuntimeCrashedError, TroupeError, UnsupportedError } from './errors.mjs';
import { loadModule } from './load.mjs';
import { ALL_RIGHTS, AUTH_INHERITED, openSession } from './session.mjs';
import { Status } from './status.mjs';
import { Ticker } from './ticker.mjs';


/** Starts the worker file. `workerUrl` is a URL, or a function that makes the Worker. */
function makeWorker(workerUrl, name) {
  if (typeof workerUrl === 'function') {
    return workerUrl();
  }
  if (typeof Worker !== 'function') {
    throw new UnsupportedError('there are no workers here', { hint: "in Node: import 'troupe/node' first" });
  }
  // Bundlers look for exactly this expression.
  return workerUrl ? new Worker(workerUrl, { type: 'module', name })
    : new Worker(new URL('./slim.mjs', import.meta.url), { type: 'module', name });
}

/**
 * Starts a worker, hands it `message` with a port, and resolves with `{ worker, port, data }` once it has answered. A worker that
 * fails later is reported to `onFailure`.
 */
function openWorker(workerUrl, signal, message, onFailure) {
  const worker = makeWorker(workerUrl, message.options.name);
  const { port1: port, port2 } = new MessageChannel();
  let isOpen = false;
  const opened = new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal?.addEventListener('abort', abort, { once: true });
    worker.addEventListener('error', (event) => {
      const cause = event.error ?? event;
      reject(new LoadError('the worker did not start', {
        cause, hint: 'serve slim.mjs from this origin, or pass `workerUrl`',
      }));
      if (isOpen) {
        onFailure(cause);
      }
    });
    port.onmessage = ({ data }) => {
      if (data.error) {
        reject(new TroupeError(data.error.code ?? 'load', data.error.message));
      }
      isOpen = true;
      resolve({ worker, port, data });
    };
    worker.postMessage({ ...message, port: port2 }, [port2]);
  });
  opened.catch(() => worker.terminate());
  return opened;
}

/** Errors cross a port as plain objects. */
export const packError = (error) => ({ code: error?.code, message: String(error?.message ?? error) });

/** Starts an engine in a worker. It has the interface of the one in engine.mjs. */
export async function startEngine(module, client, {
  workerUrl, signal, log, name, sliceMs, actorsMax, mailboxMessages, heartbeatMs, patienceMs,
}) {
  const options = { name, sliceMs, actorsMax, mailboxMessages, heartbeatMs, patienceMs };
  const crash = (cause) =>
    client.crashed(new RuntimeCrashedError(`the worker failed: ${cause?.message ?? cause}`, { cause }));
  const { worker, port, data: info } = await openWorker(workerUrl, signal,
    { troupe: 'engine', module, options }, crash);
  const ticker = new Ticker(() => {
    try {
      const done = client.drain(performance.now() + 4);
      const ops = client.takeOps().slice();
      if (ops.length > 0) {
        port.postMessage(ops, [ops.buffer]);
      }
      if (!done || client.hasWork()) {
        ticker.arm();
      }
    } catch (error) {
      crash(error);
    }
  });
  port.onmessage = ({ data }) => {
    if (data instanceof Uint8Array) {
      client.pushEvents(data);
      ticker.arm();
    } else if (data.log) {
      log(...data.log);
    } else if (data.error) {
      crash(data.error);
    } else {
      client.stopped();
    }
  };
  client.pushEvents(info.events);
  return {
    ...info,
    get ticks() { return ticker.count; },
    wake: () => ticker.arm(),
    close() {
      ticker.close();
      port.close();
      worker.terminate();
    },
  };
}

/** A worker with a runtime of its own, as the page sees it. */
class WorkerNode extends Status {
  /** `close()` ends the worker: its actors are gone at once. */
  constructor(runtime, worker, port) {
    super();
    const session = portSession(runtime, port, true, this, (error) => this.fail(error));
    this.close = async () => this.fail(null);
    this.fail = (reason) => {
      if (this.status.state !== 'closed') {
        runtime.disown(this);
        worker.terminate();
        this.change('closed', { reason });
        session.lost();
      }
    };
  }
}

/** A session over a MessagePort between a page and its worker: the port itself is the proof. */
export function portSession(runtime, port, dialler, status, closed) {
  const session = openSession(runtime, { auth: AUTH_INHERITED, dialler, rights: ALL_RIGHTS }, {
    write: (bytes) => {
      const whole = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
      port.postMessage(whole, [whole.buffer]);
    },
    status,
    closed,
  });
  port.onmessage = ({ data }) => session.receive(data);
  return session;
}

let workersStarted = 0;

export async function startWorker(runtime, { workerUrl, wasm, module, spawn = [], name, signal } = {}) {
  signal?.throwIfAborted();
  const compiled = wasm ? await loadModule(wasm, signal) : runtime.options.module;
  const options = { name: name ?? `${runtime.name}.w${++workersStarted}` };
  let node;
  const { worker, port } = await openWorker(workerUrl ?? runtime.options.workerUrl, signal,
    { troupe: 'node', module: compiled, options, spawn, setup: module && String(module) },
    (cause) => node?.fail(new NodeDownError('the worker failed', { cause })));
  node = runtime.own(new WorkerNode(runtime, worker, port));
  return node.ready;
}
