// The examples for pages in Chromium: each prints to the console what it prints under Node.
// environment: TRP_EXAMPLES `name|expected` lines, TRP_MODULES the folder of their modules, TRP_LIBRARY that of the package
import assert from 'node:assert';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launchBrowser, serveFiles } from '../../tests/support/browser.mjs';

const examples = process.env.TRP_EXAMPLES.split('\n').map((line) => line.split('|'));
let root;
let server;
let browser;

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'troupe-examples-'));
  cpSync(process.env.TRP_LIBRARY, join(root, 'troupe'), { recursive: true });
  for (const file of readdirSync(process.env.TRP_MODULES).filter((name) => name.endsWith('_module.mjs'))) {
    cpSync(join(process.env.TRP_MODULES, file), join(root, file));
  }
  const pages = {};
  for (const [name] of examples) {
    cpSync(new URL(`${name}.mjs`, import.meta.url), join(root, `${name}.mjs`));
    pages[`/${name}.html`] = `<!doctype html><title>${name}</title><link rel="icon" href="data:,">
<script type="module" src="/${name}.mjs"></script>`;
  }
  server = await serveFiles(root, pages);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.close();
  rmSync(root, { recursive: true, force: true });
});

for (const [name, expected] of examples) {
  test(`${name} prints in a page what it prints under Node`, { timeout: 30000 }, async () => {
    const tab = await browser.newPage();
    const line = tab.waitForEvent('console', { timeout: 20000 });
    await tab.goto(`${server.origin}/${name}.html`);
    assert.equal((await line).text(), expected);
    await tab.close();
  });
}

test('there are examples', () => assert.ok(examples.length >= 5, `${examples.length} examples`));
