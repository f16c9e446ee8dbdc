// The package with the wasm module of the bare runtime inside: JavaScript actors need nothing else.
import { createRuntime as create } from './slim.mjs';
import wasm from './wasm.mjs';

export * from './slim.mjs';

export const createRuntime = (options = {}) => create({ wasm, ...options });
