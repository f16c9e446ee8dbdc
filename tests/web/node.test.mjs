// The suites under Node: node --test node.test.mjs, with TRP_PACKAGE (the npm package) and TRP_WASM (actors.wasm).
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { runLoad } from './load-suite.mjs';
import { run } from './suite.mjs';
import '../../platform-web/js/node.mjs';

const directory = process.env.TRP_PACKAGE;
const { createRuntime } = await import(pathToFileURL(join(directory, process.env.TRP_ENTRY ?? 'slim.mjs')));
const wasmBytes = new Uint8Array(readFileSync(process.env.TRP_WASM));
const wasm = await WebAssembly.compile(wasmBytes);
const limited = (name, body) => test(name, { timeout: 30000 }, body);

for (const place of ['page', 'worker']) {
  run({ place, create: (options) => createRuntime({ wasm, place, ...options }) }, limited, assert.ok);
}
runLoad({ createRuntime, wasmBytes }, limited, assert.ok);
