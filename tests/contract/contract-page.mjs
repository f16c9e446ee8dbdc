// Runs the host contract in a page, the runtime where `?place=` says, and leaves the outcome in `globalThis.result`.
import { createRuntime } from './package/slim.mjs';
import { runContract } from './run-contract.mjs';

async function main() {
  const wasm = await WebAssembly.compileStreaming(fetch('./contract.wasm'));
  return runContract(createRuntime, wasm, new URL(location.href).searchParams.get('place'));
}

main().then((result) => {
  globalThis.result = result;
}, (error) => {
  globalThis.result = { ran: 0, faults: [String(error.stack)] };
});
