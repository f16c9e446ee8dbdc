// The Chromium runner must not call a bad program good. It gets programs that fail in each way there is.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const runner = join(dirname(fileURLToPath(import.meta.url)), 'chromium-runner.mjs');

const PROGRAMS = {
  good: "Module.print('hello'); Module.onExit(0);",
  fails: "Module.print('bad'); Module.onExit(3);",
  hangs: "Module.print('before'); for (;;) {}",
  waits: '/* never calls back */',
  throws: "throw new Error('out of the blue');",
  aborts: "Module.onAbort('no memory');",
  vanished: '',
  unreadable: 'this is not JavaScript',
};

let folder;
const call = (...args) => spawnSync(process.execPath, [runner, ...args], { encoding: 'utf8' });
const report = (name) => call('report', join(folder, 'results'), name);

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-chromium-'));
  const lines = Object.entries(PROGRAMS).map(([name, text]) => {
    const path = join(folder, `${name}.js`);
    writeFileSync(path, text);
    return `${name}|2|${path}\n`;
  });
  rmSync(join(folder, 'vanished.js'));
  writeFileSync(join(folder, 'list'), lines.join(''));
  const { status, stderr } = call('run', join(folder, 'list'), join(folder, 'results'));
  assert.equal(status, 0, stderr);
});
after(() => rmSync(folder, { recursive: true }));

test('a good program is reported with its output and code 0', () => {
  const { status, stdout } = report('good');
  assert.equal(status, 0);
  assert.equal(stdout, 'hello\n');
});
test('an exit code is handed on', () => assert.equal(report('fails').status, 3));
test('a program that hangs is ended, and what it printed before is shown', () => {
  const { status, stdout } = report('hangs');
  assert.equal(status, 124);
  assert.match(stdout, /before/);
});
for (const name of ['waits', 'throws', 'aborts', 'unreadable', 'vanished']) {
  test(`a program that ${name} fails`, () => assert.notEqual(report(name).status, 0));
}
test('a program that did not run has no good report', () => assert.notEqual(report('unknown').status, 0));
