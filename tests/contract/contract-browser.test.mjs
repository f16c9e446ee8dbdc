// The host contract on the web host in Chromium, in the page's thread and in a worker: node --test contract-browser.test.mjs, with
// TRP_PACKAGE (the npm package) and TRP_WASM (contract_web.wasm).
import assert from 'node:assert';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launchBrowser, serveFiles } from '../support/browser.mjs';

let root;
let server;
let browser;

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'troupe-contract-'));
  cpSync(process.env.TRP_PACKAGE, join(root, 'package'), { recursive: true });
  cpSync(process.env.TRP_WASM, join(root, 'contract.wasm'));
  for (const file of ['contract-page.mjs', 'run-contract.mjs']) {
    cpSync(new URL(file, import.meta.url), join(root, file));
  }
  server = await serveFiles(root, {
    '/contract.html': '<!doctype html><title>contract</title><script type="module" src="/contract-page.mjs"></script>',
  });
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.close();
  rmSync(root, { recursive: true, force: true });
});

for (const place of ['page', 'worker']) {
  test(`the contract holds in Chromium, in the ${place}`, { timeout: 120000 }, async (t) => {
    const tab = await browser.newPage();
    await tab.goto(`${server.origin}/contract.html?place=${place}`);
    await tab.waitForFunction(() => globalThis.result !== undefined, null, { timeout: 110000 });
    const { ran, faults } = await tab.evaluate(() => globalThis.result);
    await tab.close();
    t.diagnostic(`${ran} cases`);
    assert.deepEqual(faults, []);
  });
}
