// The host contract on the web host under Node, in the page's thread and in a worker: node --test contract.test.mjs, with
// TRP_PACKAGE (the npm package) and TRP_WASM (contract_web.wasm).
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import '../../platform-web/js/node.mjs';
import { runContract } from './run-contract.mjs';

const { createRuntime } = await import(pathToFileURL(join(process.env.TRP_PACKAGE, 'slim.mjs')));
const wasm = await WebAssembly.compile(new Uint8Array(readFileSync(process.env.TRP_WASM)));

for (const place of ['page', 'worker']) {
  test(`the contract holds in the ${place}`, { timeout: 120000 }, async (t) => {
    const { ran, faults } = await runContract(createRuntime, wasm, place);
    t.diagnostic(`${ran} cases`);
    assert.deepEqual(faults, []);
  });
}
