// Routines in a page's module, with TRP_PACKAGE (the npm package), TRP_WASM (a module with routines) and
// TRP_WASM_WITHOUT (one without).
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import '../../platform-web/js/node.mjs';

const { createRuntime } = await import(pathToFileURL(join(process.env.TRP_PACKAGE, 'slim.mjs')));
const wasm = await WebAssembly.compile(readFileSync(process.env.TRP_WASM));
const without = await WebAssembly.compile(readFileSync(process.env.TRP_WASM_WITHOUT));
const limited = (name, body) => test(name, { timeout: 30000 }, body);

async function withRuntime(module, body) {
  const runtime = await createRuntime({ wasm: module });
  try {
    await body(runtime);
  } finally {
    await runtime.close();
  }
}

limited('a routine sleeps, calls and answers', () => withRuntime(wasm, async (runtime) => {
  const napper = await runtime.spawn('napper');
  const started = performance.now();
  assert.equal(await runtime.call(napper, 11), 22);
  assert.ok(performance.now() - started > 8, 'it has slept');
  assert.equal(await runtime.call(napper, 3), 6);
}));

limited('many routines wait at once', () => withRuntime(wasm, async (runtime) => {
  const nappers = await Promise.all(Array.from({ length: 500 }, () => runtime.spawn('napper')));
  const started = performance.now();
  const answers = await Promise.all(nappers.map((napper, i) => runtime.call(napper, i % 12)));
  assert.deepEqual(answers, nappers.map((_, i) => (i % 12) * 2));
  assert.ok(performance.now() - started < 500 * 6, 'not one after another');
}));

limited('a routine waits below a call through a pointer', () => withRuntime(wasm, async (runtime) => {
  const folder = await runtime.spawn('folder');
  assert.equal(await runtime.call(folder, 5), 15);
  assert.equal(await runtime.call(folder, 6), 21);
}));

limited('an overflow of its stack ends the routine alone', () => withRuntime(wasm, async (runtime) => {
  const napper = await runtime.spawn('napper');
  for (let i = 0; i < 3; i++) {
    const overflowing = await runtime.spawn('overflowing');
    const monitor = runtime.monitor(overflowing);
    runtime.send(overflowing, 1);
    const { reason } = await monitor.down;
    assert.equal(reason.kind, 'error');
    assert.equal(reason.text, 'stack overflow');
    assert.equal(await runtime.call(napper, 2), 4);
  }
}));

limited('coroutines of one actor nap at the same time', () => withRuntime(wasm, async (runtime) => {
  const crew = await runtime.spawn('crew');
  const monitor = runtime.monitor(crew);
  const answers = await Promise.all([9, 6, 3].map((number) => runtime.call(crew, number)));
  assert.deepEqual(answers, [18, 9, 3]);
  const { reason } = await monitor.down;
  assert.equal(reason.code, 18);
}));

limited('a wait in deep frames is resumed, or ends the routine alone', () => withRuntime(wasm, async (runtime) => {
  const napper = await runtime.spawn('napper');
  let lived = 0;
  let ended = 0;
  for (let depth = 1; depth < 24; depth++) {
    const diver = await runtime.spawn('diver');
    const result = await runtime.call(diver, depth).then((value) => value, (error) => error);
    if (typeof result === 'number') {
      assert.equal(result, (depth * depth) % 24);
      lived++;
    } else {
      assert.match(result.message + result.reason?.text, /stack overflow/);
      ended++;
    }
    assert.equal(await runtime.call(napper, 2), 4);
  }
  assert.ok(lived > 10 && ended > 0, `${lived} lived, ${ended} ended`);
}));

limited('a module imports nothing for its routines, and exports nothing for them', () => {
  const names = [...WebAssembly.Module.imports(wasm), ...WebAssembly.Module.exports(wasm)].map(({ module, name }) => `${module}.${name}`);
  assert.ok(names.length > 10);
  assert.deepEqual(names.filter((name) => /asyncify|fiber/.test(name)), []);
});

limited('a module made without routines refuses them', () => withRuntime(without, async (runtime) => {
  const error = await runtime.spawn('napper').then(() => null, (thrown) => thrown);
  assert.equal(error?.code, 'unsupported');
}));
