// createRuntime: options, loading, and the choice where the engine runs.
import { Engine } from './engine.mjs';
import { isNode, loadModule } from './load.mjs';
import { Runtime } from './runtime.mjs';
import { RemoteEngine } from './workers.mjs';

const LOG = ['debug', 'info', 'warn', 'error'];
export const inWorker = typeof WorkerGlobalScope === 'function' && globalThis instanceof WorkerGlobalScope;

function defaultLog(level, who, text) {
  console[LOG[level] ?? 'error'](`troupe: ${who ? `${who} ` : ''}${text}`);
}

// A name of its own for each tab: two nodes of one name cannot be told apart.
function randomName() {
  const [n] = crypto.getRandomValues(new Uint32Array(1));
  return `${isNode ? 'node' : 'page'}-${n.toString(36)}`;
}

export async function createRuntime(options = {}) {
  const { wasm, signal, place = 'page', log = defaultLog, onerror } = options;
  signal?.throwIfAborted();
  if (place !== 'page' && place !== 'worker') {
    throw new TypeError(`place is 'page' or 'worker', not ${place}`);
  }
  if (onerror !== undefined && typeof onerror !== 'function') {
    throw new TypeError('onerror is a function');
  }
  const module = await loadModule(wasm, signal);
  signal?.throwIfAborted();
  const settings = {
    sliceMs: inWorker || place === 'worker' ? 12 : 4, ...options,
    place, log, module, name: options.name ?? randomName(),
  };
  const runtime = new Runtime(settings);
  if (place === 'page') {
    runtime.attach(new Engine(module, runtime, settings));
  } else {
    const { actorsMax, mailboxMessages, heartbeatMs, patienceMs, sliceMs, name, workerUrl } = settings;
    runtime.attach(await RemoteEngine.start(module, runtime,
      { actorsMax, mailboxMessages, heartbeatMs, patienceMs, sliceMs, name, workerUrl, signal, log }));
  }
  return runtime;
}
