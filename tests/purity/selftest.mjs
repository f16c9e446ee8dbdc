// Each check is fed something that it must refuse, and the same thing put right. A check that cannot fail
// is worth nothing.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'node:test';
import { checkComments } from './comments.mjs';
import { checkIncludes } from './includes.mjs';
import { checkSymbols } from './symbols.mjs';
import { checkConditionals, checkMarkers, checkSizes } from './text.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const support = join(here, '../support');

// A tree made of { path: text }; removed when the test ends.
function tree(t, files) {
  const root = mkdtempSync(join(tmpdir(), 'troupe-purity-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function refuses(check, root, pattern) {
  const { findings } = check(root);
  assert.equal(findings.length, 1, `one finding expected, got: ${findings.join('\n')}`);
  assert.match(findings[0], pattern);
}

function accepts(check, root) {
  const { seen, findings } = check(root);
  assert.deepEqual(findings, []);
  assert.ok(seen > 0);
}

const HEADERS = {
  'core/include/troupe/base.h': '#include <stdint.h>\n',
  'core/src/base/pool.h': '#include "troupe/base.h"\n',
  'core/src/sched/run.h': '#include <string.h>\n',
};

test('includes: a system header in the core is refused', (t) => {
  refuses(checkIncludes, tree(t, { ...HEADERS, 'core/src/base/a.c': '#include <stdio.h>\n' }), /stdio/);
});
test('includes: a lower floor may not use a higher one', (t) => {
  refuses(checkIncludes, tree(t, { ...HEADERS, 'core/src/base/a.c': '#include "sched/run.h"\n' }),
    /floor base may not use floor sched/);
  accepts(checkIncludes, tree(t, { ...HEADERS, 'core/src/sched/a.c': '#include "base/pool.h"\n' }));
});
test('includes: services do not know the nodes above them', (t) => {
  const files = { ...HEADERS, 'core/src/node/wire.h': '', 'core/src/service/a.c': '#include "node/wire.h"\n' };
  refuses(checkIncludes, tree(t, files), /floor service may not use floor node/);
});
test('includes: a platform may not see the inside of the core nor another platform', (t) => {
  refuses(checkIncludes, tree(t, { ...HEADERS, 'platform-native/src/a.c': '#include "base/pool.h"\n' }),
    /neither public/);
  refuses(checkIncludes, tree(t, {
    ...HEADERS,
    'platform-native/include/troupe/native.h': '',
    'platform-web/src/a.c': '#include "troupe/native.h"\n',
  }), /may see/);
});
test('includes: a path out of the folder is refused', (t) => {
  refuses(checkIncludes, tree(t, {
    ...HEADERS, 'web-demo/actors/a.c': '#include "../../core/src/base/pool.h"\n',
  }), /leaves its folder/);
});
test('includes: a source includes its own header first', (t) => {
  refuses(checkIncludes, tree(t, { ...HEADERS, 'core/src/base/pool.c': '#include <string.h>\n' }),
    /before its own header/);
});
test('includes: an include inside a comment does not count', (t) => {
  accepts(checkIncludes, tree(t, { ...HEADERS, 'core/src/base/a.c': '/*\n#include <stdio.h>\n*/\n' }));
});

test('conditionals: the core may not ask for the platform', (t) => {
  refuses(checkConditionals, tree(t, { 'core/src/base/a.c': '#ifdef __EMSCRIPTEN__\n#endif\n' }), /EMSCRIPTEN/);
  accepts(checkConditionals, tree(t, { 'core/src/base/a.c': '/* not __linux__ */\n' }));
});

test('markers: what was left for later is refused', (t) => {
  refuses(checkMarkers, tree(t, { 'core/a.c': `/* ${'TO'}${'DO'}: later */\n` }), /marker/);
});

test('comments: a declaration without a comment is refused', (t) => {
  const about = '/**\n * @file a.h\n * About.\n */\n';
  const header = 'core/include/troupe/a.h';
  refuses(checkComments, tree(t, { [header]: `${about}int trp_a(void);\n` }), /trp_a has no comment/);
  refuses(checkComments, tree(t, { [header]: `${about}/** A. */\nint trp_a(void);\n\nint trp_b(int x);\n` }), /trp_b/);
  refuses(checkComments, tree(t, { [header]: `${about}/** A. */\nint trp_a(void);\n#define TRP_B 1\n` }), /TRP_B/);
  refuses(checkComments, tree(t, { [header]: '/** A. */\nint trp_a(void);\n' }), /@file/);
  accepts(checkComments, tree(t, { [header]: `${about}/** A. */\nint trp_a(void);\n` }));
});

test('sizes: a file that is too long is refused', (t) => {
  refuses(checkSizes, tree(t, { 'core/a.c': 'int x;\n'.repeat(801) }), /801 lines/);
  accepts(checkSizes, tree(t, { 'core/a.c': 'int x;\n'.repeat(800) }));
});

// Compiles { floor/name.c: text } into an archive as core's is.
function archive(t, sources) {
  const files = Object.fromEntries(Object.entries(sources).map(([path, text]) => [`core/src/${path}`, text]));
  const root = tree(t, files);
  const objects = Object.keys(files).map((path) => {
    const object = join(root, `${path.split('/').pop()}.o`);
    execFileSync(process.env.CC || 'cc', ['-fPIC', '-fno-common', '-c', join(root, path), '-o', object]);
    return object;
  });
  execFileSync('ar', ['rcs', join(root, 'core.a'), ...objects]);
  return root;
}
const symbols = (root) => checkSymbols(root, join(root, 'core.a'));

test('symbols: a call out of the core is refused, memcpy is not', (t) => {
  refuses(symbols, archive(t, { 'base/a.c': 'int puts(const char *); void f(void) { puts("x"); }' }), /needs puts/);
  accepts(symbols, archive(t, {
    'base/a.c': 'void *memcpy(void *, const void *, unsigned long);' +
      'void f(void *a, void *b, unsigned long n) { memcpy(a, b, n); }',
  }));
});
test('symbols: a call up the floors is refused, a call down is not', (t) => {
  const call = 'void g(void); void f(void) { g(); }';
  const home = 'void g(void) {}';
  refuses(symbols, archive(t, { 'base/a.c': call, 'sched/b.c': home }), /floor base calls g of floor sched/);
  accepts(symbols, archive(t, { 'sched/a.c': call, 'base/b.c': home }));
});
test('symbols: writable data is refused, constant tables are not', (t) => {
  refuses(symbols, archive(t, { 'base/a.c': 'int counter = 1;' }), /writable/);
  refuses(symbols, archive(t, { 'base/a.c': 'static int n; int *f(void) { return &n; }' }), /writable/);
  accepts(symbols, archive(t, { 'base/a.c': 'int g(void); const char *const t[] = {"a"}; int f(void) { return t[0][0]; }' }));
});

// run-cmocka.sh believes a program only by its summary.
function runCmocka(t, lines, code = 0) {
  const root = tree(t, { program: `#!/bin/sh\n${lines.map((line) => `echo '${line}'`).join('\n')}\nexit ${code}\n` });
  chmodSync(join(root, 'program'), 0o755);
  return spawnSync(join(support, 'run-cmocka.sh'), [join(root, 'program')]).status;
}
const STARTED = '[==========] Running 2 test(s).';
const PASSED = '[  PASSED  ] 2 test(s).';

test('run-cmocka: only a complete and good run passes', (t) => {
  assert.equal(runCmocka(t, [STARTED, PASSED]), 0);
  assert.notEqual(runCmocka(t, [STARTED, PASSED], 1), 0);
  assert.notEqual(runCmocka(t, []), 0);
  assert.notEqual(runCmocka(t, [STARTED]), 0);
  assert.notEqual(runCmocka(t, ['[==========] Running 0 test(s).', '[  PASSED  ] 0 test(s).']), 0);
  assert.notEqual(runCmocka(t, [STARTED, PASSED, '[  FAILED  ] 1 test(s), listed below:']), 0);
  assert.notEqual(runCmocka(t, [STARTED, PASSED, STARTED]), 0);
});

// run-node-tests.sh does the same for Node's test runner.
function runNodeTests(t, text) {
  const root = tree(t, { 'file.mjs': `import test from 'node:test';\n${text}\n` });
  return spawnSync(join(support, 'run-node-tests.sh'), [process.execPath, join(root, 'file.mjs')]).status;
}

test('run-node-tests: only a run with tests that all passed passes', (t) => {
  assert.equal(runNodeTests(t, "test('a', () => {});"), 0);
  assert.notEqual(runNodeTests(t, ''), 0);
  assert.notEqual(runNodeTests(t, "test('a', () => { throw new Error('no'); });"), 0);
  assert.notEqual(runNodeTests(t, "test('a', () => {}); test('b', { skip: true }, () => {});"), 0);
  assert.notEqual(runNodeTests(t, "test('a', () => {}); process.exit(0);"), 0);
});

test('chromium-runner: an empty list is refused', (t) => {
  const root = tree(t, { list: '\n' });
  const { status, stderr } = spawnSync(process.execPath,
    [join(support, 'chromium-runner.mjs'), 'run', join(root, 'list'), join(root, 'results')]);
  assert.notEqual(status, 0);
  assert.match(String(stderr), /names no program/);
});
