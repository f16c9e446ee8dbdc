// The tests of the JavaScript API, for Node and for browsers. `run(api, test, assert)` registers them;
// `api` has `create(options)`, which makes a runtime with the C actors of actors.c, and `place`.
export function run(api, test, assert) {
  const { create, place } = api;
  const name = (text) => `${place}: ${text}`;

  // Makes a runtime for one test and closes it, whatever happens.
  const testWith = (text, body, options) => test(name(text), async () => {
    const errors = [];
    const runtime = await create({ onerror: (error) => errors.push(error), ...options });
    try {
      await body(runtime, errors);
    } finally {
      await runtime.close();
    }
  });

  async function rejects(promise, code) {
    try {
      await promise;
    } catch (error) {
      assert(error.code === code, `expected the code ${code}, got ${error.code}: ${error.message}`);
      return error;
    }
    throw new Error(`expected a rejection with ${code}`);
  }

  function throws(call, code) {
    try {
      call();
    } catch (error) {
      assert(error.code === code, `expected the code ${code}, got ${error.code}: ${error.message}`);
      return error;
    }
    throw new Error(`expected an exception with ${code}`);
  }

  function same(actual, expected, what = '') {
    const show = (value) => JSON.stringify(value, (key, item) => (typeof item === 'bigint' ? `${item}n`
      : item instanceof Uint8Array ? `bytes ${item}` : item === undefined ? 'undefined' : item));
    assert(show(actual) === show(expected), `${what} got ${show(actual)}, expected ${show(expected)}`);
  }

  // --- C actors -------------------------------------------------------------------------------------------

  testWith('a C actor counts what it is sent, in order', async (runtime) => {
    const counter = await runtime.spawn('counter', { start: 5 });
    for (let i = 0; i < 100; i++) {
      runtime.send(counter, { $type: 'test.Count', by: i });
    }
    same((await runtime.call(counter, { $type: 'test.Count', by: 0 })).by, 5 + 4950);
  });

  testWith('messages of one tick to several addressees, in a row and in turn, reach theirs', async (runtime) => {
    const sums = [0, 0, 0];
    const actors = await Promise.all(sums.map((_, i) =>
      runtime.spawn({ receive(by) { sums[i] += by; } }, undefined, { name: `sum${i}` })));
    const thawed = { pid: actors[0].pid };
    const order = [actors[0], actors[0], actors[1], 'sum1', 'sum1', thawed, actors[0], actors[2], 'sum2', actors[2]];
    const wanted = [0, 0, 1, 1, 1, 0, 0, 2, 2, 2];
    order.forEach((to, i) => {
      runtime.send(to, 1 << i);
      throws(() => runtime.send(to, { f() {} }), 'encode'); // leaves no trace
      throws(() => runtime.send(actors[2], { f() {} }), 'encode');
    });
    thawed.pid = actors[1].pid;
    runtime.send(thawed, 1 << 10);
    wanted.push(1);
    await Promise.all(actors.map((actor) => runtime.call(actor, 0))); // after all that was sent before
    same(sums, [0, 1, 2].map((k) => wanted.reduce((sum, who, i) => sum + (who === k ? 1 << i : 0), 0)));
  });

  testWith('a name is looked up anew when somebody was spawned in between', async (runtime) => {
    const got = [];
    runtime.send('late', 'too early');
    const spawned = runtime.spawn({ receive(text) { got.push(text); } }, undefined, { name: 'late' });
    runtime.send('late', 'in time');
    await spawned;
    await runtime.call('late', 'last');
    same(got, ['in time', 'last']);
  });

  testWith('a C behaviour that is not there is named in the error', async (runtime) => {
    const error = await rejects(runtime.spawn('nobody'), 'notfound');
    assert(error.message.includes('nobody') && error.hint.includes('counter'), error.message);
  });

  testWith('a refused init rejects the spawn and leaves nobody', async (runtime) => {
    const before = (await runtime.stats()).actors;
    await rejects(runtime.spawn('counter', { start: -1 }, { name: 'negative' }), 'invalid');
    same(await runtime.whereis('negative'), null);
    same((await runtime.stats()).actors, before);
  });

  testWith('a name is unique', async (runtime) => {
    const first = await runtime.spawn('mirror', undefined, { name: 'one' });
    await rejects(runtime.spawn('mirror', undefined, { name: 'one' }), 'exists');
    same(await runtime.whereis('one'), first);
    same(await runtime.call('one', 'by name'), 'by name');
  });

  testWith('every kind of value comes back as it was', async (runtime) => {
    const mirror = await runtime.spawn('mirror');
    const values = [null, true, false, 0, -1, 23, 24, 255, 256, 65535, 65536, 2 ** 32, -(2 ** 33), 1.5, -0.25,
      Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 2n ** 64n - 1n, -(2n ** 63n), '', 'text', 'ß€😀',
      'x'.repeat(1000), [], [1, [2, [3]]], {}, { a: { b: [null, undefined] } }, new Uint8Array([0, 255]), mirror];
    same(await runtime.call(mirror, values), values);
    assert(Number.isNaN(await runtime.call(mirror, NaN)), 'NaN');
    assert(Object.is(await runtime.call(mirror, -0), -0), '-0');
    same(await runtime.call(mirror, Infinity), null); // JSON shows it as null
    const evil = await runtime.call(mirror, JSON.parse('{"__proto__": {"polluted": 1}}'));
    assert(Object.keys(evil).includes('__proto__') && {}.polluted === undefined, '__proto__ is data');
  });

  testWith('a typed message has all its fields', async (runtime) => {
    const mirror = await runtime.spawn('mirror');
    const everything = {
      $type: 'test.Everything', flag: true, small: -7, natural: 4294967295, large: -(2n ** 63n),
      huge: 2n ** 64n - 1n, real: 0.5, who: mirror, text: 'ä', blob: new Uint8Array([1, 2, 3]), any: { deep: [1, 'x'] },
      spot: { x: 1, y: -1 }, numbers: [1, 2, 3], words: ['a', '', 'c'], path: [{ x: 1, y: 2 }, { x: 3, y: 4 }],
      label: 'short',
    };
    same(await runtime.call(mirror, everything), everything);
    same(await runtime.call(mirror, { $type: 'test.Everything', large: 5n, huge: 7 }), {
      $type: 'test.Everything', flag: false, small: 0, natural: 0, large: 5, huge: 7, real: 0, who: null, text: '',
      blob: new Uint8Array(0), any: undefined, spot: { x: 0, y: 0 }, numbers: [], words: [], path: [], label: '',
    }, 'absent fields');
  });

  testWith('a field that does not fit says where', async (runtime) => {
    const mirror = await runtime.spawn('mirror');
    const typed = (fields) => () => runtime.send(mirror, { $type: 'test.Everything', ...fields });
    same(throws(typed({ small: 2 ** 31 }), 'encode').path, 'small');
    same(throws(typed({ natural: -1 }), 'encode').path, 'natural');
    same(throws(typed({ huge: -1n }), 'encode').path, 'huge');
    same(throws(typed({ real: '1' }), 'encode').path, 'real');
    same(throws(typed({ who: { pid: 3 } }), 'encode').path, 'who');
    same(throws(typed({ numbers: [1, 2.5] }), 'encode').path, 'numbers.1');
    same(throws(typed({ path: [{ x: 1 }, { x: 'no' }] }), 'encode').path, 'path.1.x');
    assert(throws(typed({ spelled: 1 }), 'encode').hint.includes('small'), 'the fields are listed');
    same(throws(() => runtime.send(mirror, { $type: 'test.Nothing' }), 'encode').path, '$type');
    same(await runtime.call(mirror, 'still works'), 'still works');
  });

  testWith('what cannot be sent throws and says where', async (runtime) => {
    const mirror = await runtime.spawn('mirror');
    const cyclic = { a: [] };
    cyclic.a.push(cyclic);
    let deep = 1;
    for (let i = 0; i < 40; i++) {
      deep = [deep];
    }
    same(throws(() => runtime.send(mirror, cyclic), 'encode').path, 'a.0');
    same(throws(() => runtime.send(mirror, { f: () => 1 }), 'encode').path, 'f');
    throws(() => runtime.send(mirror, Symbol('s')), 'encode');
    throws(() => runtime.send(mirror, new Date()), 'encode');
    throws(() => runtime.send(mirror, new Map()), 'encode');
    throws(() => runtime.send(mirror, 2n ** 64n), 'encode');
    throws(() => runtime.send(mirror, deep), 'encode');
    await rejects(runtime.call(mirror, { f: () => 1 }), 'encode');
    await rejects(runtime.call(mirror, 1, { timeout: -1 }), undefined);
    let isTypeError = false;
    try {
      runtime.send({ no: 'ref' }, 1);
    } catch (error) {
      isTypeError = error instanceof TypeError;
    }
    assert(isTypeError, 'the addressee is checked');
    same(await runtime.call(mirror, cyclic.a.length), 1);
  });

  // --- ends -----------------------------------------------------------------------------------------------

  testWith('a call that is not answered times out', async (runtime) => {
    const silent = await runtime.spawn('silent');
    const error = await rejects(runtime.call(silent, 1, { timeout: 30 }), 'timeout');
    same(error.name, 'TimeoutError');
    same(error.ref, silent);
  });

  testWith('a call can be aborted, before and while it waits', async (runtime) => {
    const silent = await runtime.spawn('silent');
    const controller = new AbortController();
    const call = runtime.call(silent, 1, { signal: controller.signal });
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 5);
    assert(await call.catch((error) => error === reason), 'rejects with the reason');
    assert(await runtime.call(silent, 1, { signal: controller.signal }).catch((error) => error === reason), 'before');
  });

  testWith('an actor that fails tells its callers and monitors', async (runtime) => {
    const failing = await runtime.spawn('failing');
    const monitor = runtime.monitor(failing);
    const error = await rejects(runtime.call(failing, 1), 'exit');
    same(error.reason, { kind: 'error', code: 7, text: 'as told' });
    same(await monitor.down, { ref: failing, reason: error.reason });
    await rejects(runtime.call(failing, 1), 'noproc');
    same((await runtime.monitor(failing).down).reason.kind, 'noproc');
  });

  testWith('an actor that aborts ends alone, and the stack is taken back', async (runtime) => {
    const mirror = await runtime.spawn('mirror');
    for (let i = 0; i < 100; i++) { // 16 KB each, in a stack of 64 KB
      const aborting = await runtime.spawn('aborting');
      const monitor = runtime.monitor(aborting);
      runtime.send(aborting, 1);
      same((await monitor.down).reason, { kind: 'error', code: 8, text: 'aborted' });
    }
    same(await runtime.call(mirror, 'alive'), 'alive');
  });

  testWith('kill and stop end a C actor; a second time says it was gone', async (runtime) => {
    const [first, second] = [await runtime.spawn('silent'), await runtime.spawn('silent')];
    const [one, two] = [runtime.monitor(first), runtime.monitor(second)];
    const waiting = rejects(runtime.call(first, 1), 'exit');
    same(await runtime.kill(first), true);
    same(await runtime.stop(second, { kind: 'error', code: 3, text: 'because' }), true);
    same((await one.down).reason.kind, 'killed');
    same((await two.down).reason, { kind: 'error', code: 3, text: 'because' });
    await waiting;
    same(await runtime.kill(first), false);
    same(await runtime.stop(second), false);
  });

  testWith('a cancelled monitor rejects and stays silent', async (runtime) => {
    const silent = await runtime.spawn('silent');
    const monitor = runtime.monitor(silent);
    monitor.cancel();
    await rejects(monitor.down, 'canceled');
    same(await runtime.kill(silent), true);
  });

  // --- JavaScript actors ----------------------------------------------------------------------------------

  testWith('a JavaScript actor has state, a name and a stop', async (runtime) => {
    const seen = [];
    const actor = await runtime.spawn({
      init: (start) => ({ sum: start }),
      receive(message, ctx) {
        ctx.state.sum += message;
        return ctx.state.sum;
      },
      stop: (reason) => seen.push(reason.kind),
    }, 10, { name: 'adder' });
    runtime.send('adder', 1);
    same(await runtime.call(actor, 2), 13);
    const monitor = runtime.monitor(actor);
    runtime.send(actor, 100);
    await runtime.stop(actor);
    same((await monitor.down).reason.kind, 'shutdown');
    same(seen, ['shutdown']);
    same(await runtime.whereis('adder'), null);
  });

  testWith('a JavaScript actor talks to C actors in its own name', async (runtime) => {
    const counter = await runtime.spawn('counter', { start: 0 });
    const actor = await runtime.spawn({
      async receive(message, ctx) {
        ctx.send(counter, { $type: 'test.Count', by: 1 });
        const { by } = await ctx.call(counter, { $type: 'test.Count', by: message });
        return [by, ctx.self];
      },
    });
    same(await runtime.call(actor, 5), [6, actor]);
    same(await runtime.call(actor, 5), [12, actor]);
  });

  testWith('a handler that returns a promise suspends its actor and keeps the order', async (runtime) => {
    const order = [];
    const actor = await runtime.spawn({
      async receive(message) {
        order.push(`begin ${message}`);
        await new Promise((resolve) => setTimeout(resolve, message === 1 ? 20 : 0));
        order.push(`end ${message}`);
      },
    });
    runtime.send(actor, 1);
    runtime.send(actor, 2);
    await new Promise((resolve) => setTimeout(resolve, 5));
    runtime.send(actor, 3);
    await runtime.call(actor, 4);
    same(order, [1, 2, 3, 4].flatMap((n) => [`begin ${n}`, `end ${n}`]));
  });

  testWith('a handler that throws or rejects ends its own actor only', async (runtime, errors) => {
    const other = await runtime.spawn({ receive: (message) => message });
    for (const receive of [() => { throw new Error('oops'); }, async () => { throw new Error('oops'); }]) {
      const actor = await runtime.spawn({ receive });
      const error = await rejects(runtime.call(actor, 1), 'exit');
      same([error.reason.kind, error.reason.text], ['error', 'oops']);
    }
    same(await runtime.call(other, 'fine'), 'fine');
    same(errors.map(({ message }) => message), ['oops', 'oops']);
  });

  testWith('an init that throws or rejects rejects the spawn', async (runtime) => {
    const receive = () => {};
    for (const init of [() => { throw new Error('no'); }, async () => { throw new Error('no'); }]) {
      const error = await runtime.spawn({ init, receive }, undefined, { name: 'refused' }).catch((e) => e);
      same(error.message, 'no');
    }
    const counter = await runtime.spawn('counter', { start: 0 });
    await runtime.call(counter, { $type: 'test.Count', by: 1 });
    same(await runtime.whereis('refused'), null);
    same((await runtime.stats()).actors, 2); // main and the counter
  });

  testWith('a request can be taken, answered later, refused, or left', async (runtime) => {
    const taken = [];
    const actor = await runtime.spawn({ receive: (message, ctx) => { taken.push(ctx.take()); } });
    const calls = [1, 2, 3].map((n) => runtime.call(actor, n).catch((error) => error));
    while (taken.length < 3) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    taken[0].reply('later');
    taken[1].reject('not now', 42);
    await runtime.kill(actor);
    const [first, second, third] = await Promise.all(calls);
    same(first, 'later');
    same([second.number, second.message], [42, 'not now']);
    same(third.code, 'exit');
  });

  testWith('a JavaScript actor hears of the end of another, after its messages', async (runtime) => {
    const seen = [];
    let done;
    const finished = new Promise((resolve) => { done = resolve; });
    const watched = await runtime.spawn({
      receive(to, ctx) {
        ctx.send(to, 'last words');
        ctx.stop({ kind: 'error', code: 9, text: 'over' });
      },
    });
    const watcher = await runtime.spawn({
      init: (ref, ctx) => { ctx.monitor(ref); },
      receive: (message) => { seen.push(message); },
      down({ ref, reason }) {
        seen.push(ref, reason);
        done();
      },
    }, watched);
    runtime.send(watched, watcher);
    await finished;
    same(seen, ['last words', watched, { kind: 'error', code: 9, text: 'over' }]);
  });

  testWith('an actor cannot call itself', async (runtime) => {
    const actor = await runtime.spawn({
      receive: (message, ctx) => ctx.call(ctx.self, 1).catch((error) => error.code),
    });
    same(await runtime.call(actor, 1), 'self');
  });

  testWith('what an actor awaits ends with it', async (runtime) => {
    const silent = await runtime.spawn('silent');
    let inner;
    const actor = await runtime.spawn({
      receive(message, ctx) {
        inner = ctx.call(silent, 1, { timeout: Infinity }).catch((error) => error.code);
        return inner;
      },
    });
    const call = rejects(runtime.call(actor, 1), 'exit');
    while (!inner) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await runtime.kill(actor);
    same(await inner, 'closed');
    await call;
  });

  testWith('a busy actor refuses what is too much and lives on', async (runtime) => {
    let release;
    const gate = new Promise((resolve) => { release = resolve; });
    let count = 0;
    const actor = await runtime.spawn({
      receive() {
        count++;
        return count === 1 ? gate : undefined;
      },
    });
    const flooder = await runtime.spawn('flooder');
    runtime.send(actor, 'first');
    runtime.send(flooder, { $type: 'test.Flood', to: actor, count: 80000 });
    const deadline = performance.now() + 20000;
    while (await runtime.call(actor, 'late', { timeout: 50 }).catch((error) => error.code) !== 'full') {
      assert(performance.now() < deadline, 'the actor is full at last');
    }
    release();
    while (await runtime.call(actor, 'again').catch((error) => error.code) === 'full') {
      assert(performance.now() < deadline, 'the actor takes messages again');
    }
    assert(count > 60000 && count < 80000, `${count} messages were handled`);
  }, { log: () => {} });

  testWith('a ref is a frozen value that survives a structured clone', async (runtime) => {
    const mirror = await runtime.spawn('mirror');
    assert(Object.isFrozen(mirror), 'frozen');
    same(await runtime.call(structuredClone(mirror), 'cloned'), 'cloned');
    same(Object.keys(mirror), ['pid']);
  });

  testWith('a forged or foreign ref reaches nobody', async (runtime) => {
    const before = (await runtime.stats()).deadLetters;
    const home = (await runtime.spawn('silent')).pid.split('/')[0];
    const forged = [`${home}/999999.1>`, `${home}/1.4294967295>`, '<other#1/1.1>', '<>', '<x', `${home}/1>`, '<a!b>'];
    for (const pid of forged) {
      runtime.send({ pid }, 1);
      const error = await runtime.call({ pid }, 1, { timeout: 100 }).catch((e) => e);
      assert(['noproc', 'noconnection', 'decode', 'invalid'].includes(error.code), `${pid}: ${error.code}`);
    }
    runtime.send('nobody', 1);
    same((await runtime.stats()).deadLetters >= before + forged.length, true);
  });

  // --- the loop -------------------------------------------------------------------------------------------

  testWith('an idle runtime arms nothing', async (runtime) => {
    const actor = await runtime.spawn({ receive: (message) => message });
    await runtime.call(actor, 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const before = runtime.info.ticks;
    await new Promise((resolve) => setTimeout(resolve, 200));
    same(runtime.info.ticks, before, 'ticks while idle');
  });

  testWith('a busy runtime lets timers and calls through', async (runtime) => {
    const mirror = await runtime.spawn('mirror');
    const busy = await Promise.all(Array.from({ length: 10 }, () => runtime.spawn('busy')));
    busy.forEach((ref) => runtime.send(ref, 1));
    let fired = 0;
    const timer = setInterval(() => { fired++; }, 10);
    let calls = 0;
    const deadline = performance.now() + 20000;
    while (fired < 10 || calls < 10) {
      assert(performance.now() < deadline, `${fired} timers and ${calls} calls got through`);
      await runtime.call(mirror, calls++, { timeout: 20000 });
    }
    clearInterval(timer);
    await Promise.all(busy.map((ref) => runtime.kill(ref)));
  });

  test(name('a trap in C crashes the runtime, and everything awaited is told'), async () => {
    const errors = [];
    const runtime = await create({ onerror: (error) => errors.push(error) });
    const [silent, trapping] = [await runtime.spawn('silent'), await runtime.spawn('trapping')];
    const waiting = rejects(runtime.call(silent, 1), 'crashed');
    const monitor = runtime.monitor(silent);
    runtime.send(trapping, 1);
    await waiting;
    await rejects(monitor.down, 'crashed');
    await rejects(runtime.closed, 'crashed');
    await rejects(runtime.call(silent, 1), 'closed');
    same(errors.length, 1);
    await runtime.close();
  });

  test(name('closing settles everything and stops every actor'), async () => {
    const stopped = [];
    const runtime = await create();
    const silent = await runtime.spawn('silent');
    await runtime.spawn({ receive() {}, stop: (reason) => stopped.push(reason.kind) });
    const waiting = runtime.call(silent, 1).catch((error) => error.code);
    const monitor = runtime.monitor(silent).down.then(({ reason }) => reason.kind, (error) => error.code);
    await Promise.all([runtime.close(), runtime.close()]);
    await runtime.closed;
    same(['closed', 'exit'].includes(await waiting), true);
    same(['closed', 'shutdown'].includes(await monitor), true);
    same(stopped, ['shutdown']);
    await rejects(runtime.spawn('mirror'), 'closed');
    runtime.send(silent, 'into the void');
  });

  testWith('a runtime closed from inside a handler ends', async (runtime) => {
    const actor = await runtime.spawn({ receive: (message, ctx) => { ctx.runtime.close(); } });
    runtime.send(actor, 1);
    await runtime.closed;
  });

  // --- workers as nodes -----------------------------------------------------------------------------------

  testWith('a worker is a node: calls, refs and monitors cross', async (runtime) => {
    const worker = await runtime.startWorker({ spawn: [['mirror', undefined, { name: 'far' }]] });
    same(worker.status.state, 'up');
    const far = worker.ref('far');
    same(await runtime.call(far, { deep: [1, 'two'] }), { deep: [1, 'two'] });
    const here = await runtime.spawn('mirror');
    const everything = await runtime.call(far, { $type: 'test.Everything', text: 'over', who: here });
    same([everything.text, everything.who], ['over', here]);
    const monitor = runtime.monitor(far);
    const waiting = runtime.call(here, 1);
    await worker.close();
    same((await monitor.down).reason.kind, 'noconnection');
    await rejects(runtime.call(far, 1), 'noconnection');
    same(await waiting, 1);
  });

  testWith('many calls to a worker cross in batches', async (runtime) => {
    const worker = await runtime.startWorker({ spawn: [['mirror', undefined, { name: 'far' }]] });
    const calls = Array.from({ length: 2000 }, (_, i) => runtime.call(worker.ref('far'), i));
    same((await Promise.all(calls)).every((reply, i) => reply === i), true);
  });

  testWith('a call to a worker that is closed meanwhile is told', async (runtime) => {
    const worker = await runtime.startWorker({ spawn: [['silent', undefined, { name: 'far' }]] });
    const waiting = rejects(runtime.call(worker.ref('far'), 1, { timeout: Infinity }), 'noconnection');
    await runtime.stats();
    worker.close();
    await waiting;
  });

  testWith('a worker that cannot begin rejects', async (runtime) => {
    await rejects(runtime.startWorker({ spawn: [['nobody']] }), 'notfound');
  });
}
