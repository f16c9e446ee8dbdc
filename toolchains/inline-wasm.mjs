// Writes a wasm file as an ES module whose default export is the module's bytes, gzipped, in base64.
// usage: node inline-wasm.mjs <in.wasm> <out.mjs>
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const [input, output] = process.argv.slice(2);
if (!input || !output) {
  console.error('usage: node inline-wasm.mjs <in.wasm> <out.mjs>');
  process.exit(2);
}
const wasm = readFileSync(input);
if (wasm.readUInt32LE(0) !== 0x6d736100) {
  console.error(`${input}: not a wasm file`);
  process.exit(1);
}
const text = gzipSync(wasm, { level: 9 }).toString('base64');
writeFileSync(output, `export default '${text}';\n`);
