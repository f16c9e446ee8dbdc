// What can go wrong before there is a runtime. For Node and for browsers, as suite.mjs.
export function runLoad({ createRuntime, wasmBytes }, test, assert) {
  async function fails(options, code, words) {
    const error = await createRuntime(options).then((runtime) => runtime.close(), (e) => e);
    assert(error?.code === code, `expected ${code}, got ${error?.code}: ${error?.message}`);
    assert(error.message.includes(words), `"${error.message}" does not say "${words}"`);
  }
  const text = (string) => new TextEncoder().encode(string);

  test('load: HTML instead of wasm is named', () => fails({ wasm: text('<!doctype html>') }, 'load', 'HTML'));
  test('load: bytes that are no wasm are named', () => fails({ wasm: text('nonsense') }, 'load', 'something else'));
  test('load: a damaged module does not compile',
    () => fails({ wasm: wasmBytes.slice(0, 1000) }, 'load', 'does not compile'));
  test('load: another wasm module is refused',
    () => fails({ wasm: new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) }, 'load', 'not made with Troupe'));
  test('load: nothing at all', () => fails({ wasm: 42 }, 'load', 'nothing to load'));
  test('load: a bad node name', () => fails({ wasm: wasmBytes, name: 'with blank' }, 'invalid', 'cannot create'));

  test('load: module, buffer, view and promise are taken', async () => {
    const module = await WebAssembly.compile(wasmBytes);
    for (const wasm of [module, wasmBytes, wasmBytes.slice().buffer, Promise.resolve(module), { default: module }]) {
      await (await createRuntime({ wasm })).close();
    }
  });
  test('load: an aborted signal rejects with its reason', async () => {
    const reason = new Error('no');
    const error = await createRuntime({ wasm: wasmBytes, signal: AbortSignal.abort(reason) }).catch((e) => e);
    assert(error === reason, String(error));
  });
  test('load: two runtimes of one module are apart', async () => {
    const [one, two] = await Promise.all([createRuntime({ wasm: wasmBytes }), createRuntime({ wasm: wasmBytes })]);
    assert(one.name !== two.name, 'names');
    const ref = await one.spawn({ receive: (message) => message }, undefined, { name: 'here' });
    assert(await two.whereis('here') === null, 'names are apart');
    const error = await two.call(ref, 1, { timeout: 100 }).catch((e) => e.code);
    assert(error === 'noconnection', `a foreign ref: ${error}`);
    await Promise.all([one.close(), two.close()]);
  });
}
