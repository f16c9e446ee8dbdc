// Runs the suites in a page, one test after another, and leaves the outcome in `globalThis.result`.
import { createRuntime } from './package/slim.mjs';
import { runLoad } from './load-suite.mjs';
import { run } from './suite.mjs';

const LIMIT = 30000;
const place = new URL(location.href).searchParams.get('place');
const tests = [];
const register = (name, body) => tests.push({ name, body });

function assert(ok, message) {
  if (!ok) {
    throw new Error(message);
  }
}

async function main() {
  const wasmBytes = new Uint8Array(await (await fetch('./actors.wasm')).arrayBuffer());
  const wasm = await WebAssembly.compile(wasmBytes);
  run({ place, create: (options) => createRuntime({ wasm, place, ...options }) }, register, assert);
  runLoad({ createRuntime, wasmBytes }, register, assert);
  const passed = [];
  const failed = [];
  for (const { name, body } of tests) {
    const late = new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error('too slow')), LIMIT);
    });
    await Promise.race([body(), late]).then(() => passed.push(name), (error) => failed.push(`${name}: ${error.stack}`));
  }
  globalThis.result = { passed, failed };
}

main().catch((error) => {
  globalThis.result = { passed: [], failed: [String(error.stack)] };
});
