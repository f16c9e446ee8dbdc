// Uses the page's wasm through the installed package: node use.mjs <package> <page.mjs>
import { pathToFileURL } from 'node:url';

const [packageDirectory, page] = process.argv.slice(2);
const { createRuntime } = await import(pathToFileURL(`${packageDirectory}/slim.mjs`));
const runtime = await createRuntime({ wasm: import(pathToFileURL(page)) });
const mirror = await runtime.spawn('mirror');
const answers = [];
for (const actor of [mirror, await runtime.spawn('asker')]) {
  answers.push(JSON.stringify(await runtime.call(actor, { hello: ['from', 2] })));
}
await runtime.close();
console.log(`page: ${answers.join(' ')}`);
process.exitCode = answers.every((answer) => answer === '{"hello":["from",2]}') ? 0 : 1;
