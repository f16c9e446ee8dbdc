// The complete examples of the documentation run as they stand.
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const EXPECTED = { 'docs/web.md': ['8\n'], 'platform-web/README.md': ['Hello, world!\n'] };

function runExample(code) {
  const root = mkdtempSync(join(tmpdir(), 'troupe-docs-'));
  try {
    mkdirSync(join(root, 'node_modules'));
    cpSync(process.env.TRP_PACKAGE, join(root, 'node_modules/troupe'), { recursive: true });
    writeFileSync(join(root, 'example.mjs'), code);
    return execFileSync(process.execPath, ['example.mjs'], { cwd: root, encoding: 'utf8', timeout: 20000 });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

for (const [file, outputs] of Object.entries(EXPECTED)) {
  test(`the examples of ${file} print what they say`, () => {
    const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
    const examples = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
    assert.deepEqual(examples.map(runExample), outputs);
  });
}
