// The worker's side: it waits for one message and becomes what that says, the engine of the page's runtime or a node of
// its own. The whole package is one file (slim.mjs), which workers run too.
import { createRuntime, inWorker } from './create.mjs';
import { makeEngine } from './engine.mjs';
import { Status } from './status.mjs';
import { packError, portSession } from './workers.mjs';

// The engine's client here passes batches between the port and the engine.
function serveEngine({ module, options, port }) {
  const queue = [];
  let events; // before the page listens, there is one batch: what `create` left
  let post = (first) => { events = first; };
  const engine = makeEngine(module, {
    takeOps: () => queue.shift() ?? new Uint8Array(0),
    pushEvents: (batch) => post(batch),
    drain: () => true,
    hasWork: () => queue.length > 0,
    isAwaited: () => true,
    stopped: () => port.postMessage({ stopped: true }),
    crashed: (error) => port.postMessage({ error: packError(error.cause) }),
  }, { ...options, log: (...log) => port.postMessage({ log }) });
  post = (batch) => port.postMessage(batch, [batch.buffer]);
  port.onmessage = ({ data }) => {
    queue.push(data);
    engine.wake();
  };
  port.postMessage({ version: engine.version, events });
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
