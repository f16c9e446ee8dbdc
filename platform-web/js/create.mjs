// createRuntime: options, loading, and the choice where the engine runs.
import { makeEngine } from './engine.mjs';
import { loadModule } from './load.mjs';
import { Runtime } from './runtime.mjs';
import { startEngine } from './workers.mjs';

const LOG = ['debug', 'info', 'warn', 'error'];
export const inWorker = typeof WorkerGlobalScope === 'function' && globalThis instanceof WorkerGlobalScope;

function defaultLog(level, who, text) {
  console[LOG[level] ?? 'error'](`troupe: ${who ? `${who} ` : ''}${text}`);
}

// A name of its own for each tab: two nodes of one name cannot be told apart.
const randomName = () => `js-${Math.random().toString(36).slice(2)}`;

export async function createRuntime(options = {}) {
  const { wasm, signal, place = 'page', log = defaultLog } = options;
  signal?.throwIfAborted();
  if (place !== 'page' && place !== 'worker') {
    throw new TypeError(`no such place: ${place}`);
  }
  // Node 18 has it, but not under this name; every page has.
  globalThis.crypto ??= await import(/* @vite-ignore */ /* webpackIgnore: true */ 'node:crypto');
  const module = await loadModule(wasm, signal);
  signal?.throwIfAborted();
  const settings = {
    sliceMs: inWorker || place === 'worker' ? 12 : 4, ...options,
    place, log, module, name: options.name ?? randomName(),
  };
  const runtime = new Runtime(settings);
  if (place === 'page') {
    runtime.attach(makeEngine(module, runtime, settings));
  } else {
    runtime.attach(await startEngine(module, runtime, settings));
  }
  return runtime;
}
