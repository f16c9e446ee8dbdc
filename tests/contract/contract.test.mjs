// The host contract on the web host, in the page's thread and in a worker: node --test contract.test.mjs, with TRP_PACKAGE (the
// npm package) and TRP_WASM (contract_web.wasm).
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import '../../platform-web/js/node.mjs';

const { createRuntime } = await import(pathToFileURL(join(process.env.TRP_PACKAGE, 'slim.mjs')));
const wasm = await WebAssembly.compile(new Uint8Array(readFileSync(process.env.TRP_WASM)));

// Each case gets an actor of its own; the first answer says how many there are.
async function runAll(runtime) {
  const results = [];
  for (let index = 0; index === 0 || index < results[0].cases; index++) {
    const ref = await runtime.spawn('contract');
    results.push(await runtime.call(ref, { $type: 'contract.Run', index }, { timeout: 40000 }));
  }
  return results;
}

for (const place of ['page', 'worker']) {
  test(`the contract holds in the ${place}`, { timeout: 120000 }, async () => {
    const runtime = await createRuntime({ wasm, place, log() {} });
    const results = await runAll(runtime);
    for (const result of results) {
      assert.ok(result.passed, `${result.name}: ${result.why}`);
    }
    const skipped = results.filter((result) => result.skipped).map((result) => result.name);
    assert.deepEqual(skipped, ['hmac_is_right_where_there_is_one']);
    assert.ok(results.length >= 13);
    await runtime.close(); // settles only when the runtime has answered DONE
  });
}
