// The package without a wasm module inside: `createRuntime({ wasm })`. Workers run this same file.
import { serveWorker } from './worker.mjs';

export * from './errors.mjs';
export { isRef } from './cbor.mjs';
export { createRuntime } from './create.mjs';

serveWorker();
