// The declarations compile in strict mode, allow what they should, forbid what they should, and match the exports.
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

const directory = process.env.TRP_PACKAGE;
const compiler = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');

function compile(...options) {
  const root = mkdtempSync(join(tmpdir(), 'troupe-types-'));
  try {
    mkdirSync(join(root, 'node_modules'));
    cpSync(directory, join(root, 'node_modules/troupe'), { recursive: true });
    for (const file of ['types-ok.ts', 'types-bad.ts']) {
      cpSync(new URL(file, import.meta.url), join(root, file));
    }
    writeFileSync(join(root, 'package.json'), '{"type": "module"}');
    execFileSync(process.execPath, [compiler, '--noEmit', '--strict', '--exactOptionalPropertyTypes', 'false',
      '--target', 'es2022', '--lib', 'es2022,dom,esnext.disposable', '--skipLibCheck', 'false', ...options,
      'types-ok.ts', 'types-bad.ts'], { cwd: root, encoding: 'utf8' });
    return '';
  } catch (error) {
    return error.stdout;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test('the types fit under node16 resolution', () => {
  assert.equal(compile('--module', 'node16', '--moduleResolution', 'node16'), '');
});

test('the types fit under bundler resolution', () => {
  assert.equal(compile('--module', 'es2022', '--moduleResolution', 'bundler'), '');
});

test('what is declared is exported, and the other way round', async () => {
  const text = readFileSync(join(directory, 'index.d.ts'), 'utf8');
  const declared = [...text.matchAll(/^export (?:class|function) (\w+)/gm)].map(([, name]) => name).sort();
  const module = await import(pathToFileURL(join(directory, 'slim.mjs')));
  assert.deepEqual(declared, Object.keys(module).sort());
});
