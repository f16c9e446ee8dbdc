// Checks what a wasm module imports, and writes it as an ES module whose default export is the module's
// bytes, gzipped, in base64.
//
// usage: node inline-wasm.mjs <in.wasm> <out.mjs>
//
// The web host imports from module "troupe". Emscripten imports one function from "env"; anything else
// there is a C function that nobody defined.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const KNOWN = new Set(['emscripten_notify_memory_growth']);

const [input, output] = process.argv.slice(2);
if (!input || !output) {
  console.error('usage: node inline-wasm.mjs <in.wasm> <out.mjs>');
  process.exit(2);
}
const wasm = readFileSync(input);
const undefinedSymbols = WebAssembly.Module.imports(new WebAssembly.Module(wasm))
  .filter(({ module, name }) => module !== 'troupe' && !KNOWN.has(name))
  .map(({ module, name }) => (module === 'env' ? name : `${module}.${name}`));
if (undefinedSymbols.length > 0) {
  rmSync(input);
  console.error(`${input}: undefined symbols: ${undefinedSymbols.join(', ')}`);
  process.exit(1);
}
const text = gzipSync(wasm, { level: 9 }).toString('base64');
writeFileSync(output, `export default '${text}';\n`);
