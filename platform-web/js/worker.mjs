// The worker's side: it waits for one message and becomes what that says, the engine of the page's runtime or a node of
// its own. The whole package is one file (slim.mjs), which workers run too.
import { createRuntime, inWorker } from './create.mjs';
import { Engine } from './engine.mjs';
import { Status } from './status.mjs';
import { packError, portSession } from './workers.mjs';

// The engine's client here passes batches between the port and the engine.
class PortClient {
  #port;
  #ops = [];
  #hold = [];

  constructor(port) {
    this.#port = port;
  }

  /** What came before the page could listen. */
  takeHeld() {
    const [events = new Uint8Array(0)] = this.#hold;
    this.#hold = null;
    return events;
  }

  pushOps(ops) { this.#ops.push(ops); }
  isAwaited() { return true; }
  takeOps() { return this.#ops.shift() ?? null; }
  drain() { return true; }
  hasWork() { return this.#ops.length > 0; }

  pushEvents(events) {
    if (this.#hold) {
      this.#hold.push(events);
    } else {
      this.#port.postMessage(events, [events.buffer]);
    }
  }

  stopped() { this.#port.postMessage({ stopped: true }); }
  crashed(error) { this.#port.postMessage({ error: packError(error.cause ?? error) }); }
}

function serveEngine({ module, options, port }) {
  const client = new PortClient(port);
  const engine = new Engine(module, client, { ...options, log: (...log) => port.postMessage({ log }) });
  port.onmessage = ({ data }) => {
    client.pushOps(data);
    engine.wake();
  };
  port.postMessage({ version: engine.version, memory: engine.memory, events: client.takeHeld() });
}

async function serveNode({ module, options, spawn, setup, port }) {
  const runtime = await createRuntime({ ...options, wasm: module });
  for (const [behaviour, args, how] of spawn) {
    await runtime.spawn(behaviour, args, how);
  }
  if (setup) {
    const user = await import(/* @vite-ignore */ /* webpackIgnore: true */ setup);
    await user.default(runtime);
  }
  // The session first: its port must listen before the page speaks.
  portSession(runtime, port, false, new Status(), () => runtime.close());
  port.postMessage({ ready: true });
}

async function serve(message) {
  const { troupe, port } = message;
  try {
    await (troupe === 'engine' ? serveEngine(message) : serveNode(message));
  } catch (error) {
    port.postMessage({ error: packError(error) });
  }
}

/** In a worker: listens for that message, and for nothing else. */
export function serveWorker() {
  if (inWorker) {
    addEventListener('message', ({ data }) => data?.troupe && serve(data));
  }
}
