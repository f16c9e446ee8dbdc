// Uses the page's wasm through the installed package: node use.mjs <package> <page.mjs>
import { pathToFileURL } from 'node:url';

const [packageDirectory, page] = process.argv.slice(2);
const { createRuntime } = await import(pathToFileURL(`${packageDirectory}/slim.mjs`));
const runtime = await createRuntime({ wasm: import(pathToFileURL(page)) });
const mirror = await runtime.spawn('mirror');
const answer = await runtime.call(mirror, { hello: ['from', 2] });
await runtime.close();
console.log(`page: ${JSON.stringify(answer)}`);
process.exitCode = JSON.stringify(answer) === '{"hello":["from",2]}' ? 0 : 1;
