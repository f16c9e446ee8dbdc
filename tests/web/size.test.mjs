// What a page loads stays small.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const CEILINGS = { 'slim.mjs': 12 * 1024, 'core.wasm': 40 * 1024 };

for (const [file, ceiling] of Object.entries(CEILINGS)) {
  test(`${file} is at most ${ceiling} bytes gzipped`, (t) => {
    const { length } = gzipSync(readFileSync(join(process.env.TRP_PACKAGE, file)), { level: 9 });
    t.diagnostic(`${file}: ${length} bytes gzipped`);
    assert.ok(length > 1000, 'there is something to weigh');
    assert.ok(length <= ceiling, `${length} > ${ceiling}`);
  });
}

test('a module imports what the host gives, and nothing else', () => {
  const wasm = new WebAssembly.Module(readFileSync(process.env.TRP_WASM));
  const imports = WebAssembly.Module.imports(wasm).map(({ module, name }) => `${module}.${name}`).sort();
  assert.deepEqual(imports, ['env.emscripten_notify_memory_growth', 'troupe.abandon', 'troupe.entropy',
    'troupe.fatal', 'troupe.log', 'troupe.now']);
  assert.ok(WebAssembly.Module.exports(wasm).length <= 20, 'about 20 exports');
});

test('nothing that ships evaluates text', () => {
  const code = readFileSync(join(process.env.TRP_PACKAGE, 'slim.mjs'), 'utf8');
  for (const word of [/\beval\(/, /new Function/, /blob:/, /scheduler\.yield/, /setTimeout\([^,]*,0\)/]) {
    assert.doesNotMatch(code, word);
  }
});

// The minifier moves a class into the only function that uses it, where each call would make it anew: nothing is
// slower. Only what is made once with a runtime may be made so.
test('no class is made anew for each message', () => {
  const code = readFileSync(join(process.env.TRP_PACKAGE, 'slim.mjs'), 'utf8');
  const inline = [...code.matchAll(/(.)=new class\{/g)];
  assert.ok(inline.length <= 2, `${inline.length} classes are made in place; which are new?`);
  assert.equal([...code.matchAll(/new class\b/g)].length, inline.length, 'each is the value of a field of the runtime');
});
