// How a link behaves around its connection: attempts, tokens, pauses, the page's life. Sessions over real connections are in
// tests/e2e; here the WebSocket is a puppet.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';

const { createRuntime } = await import(pathToFileURL(join(process.env.TRP_PACKAGE, 'slim.mjs')));
const wasm = readFileSync(process.env.TRP_WASM);

class Puppet {
  static made = [];
  static waiting = [];
  readyState = 0;
  bufferedAmount = 0;
  sent = [];

  constructor(url, protocol) {
    Object.assign(this, { url, protocol });
    Puppet.made.push(this);
    Puppet.waiting.shift()?.(this);
  }

  /** Resolves with the next socket that is made. */
  static next() {
    return new Promise((resolve) => Puppet.waiting.push(resolve));
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  send(bytes) {
    this.sent.push(bytes);
    this.onsent?.();
  }

  close() {
    if (this.readyState < 3) {
      this.readyState = 3;
      queueMicrotask(() => this.onclose?.());
    }
  }
}

let runtime;
const page = new EventTarget();

beforeEach(async () => {
  Puppet.made = [];
  Puppet.waiting = [];
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  runtime = await createRuntime({ wasm, name: 'tester' });
});

afterEach(async () => {
  await runtime.close();
  delete globalThis.addEventListener;
  delete globalThis.removeEventListener;
});

const fast = { min: 1, max: 5 };
const connect = (options) => runtime.connect('ws://nowhere/troupe', { WebSocket: Puppet, reconnect: fast, ...options });

function status(link, state) {
  return new Promise((resolve) => {
    const look = () => link.status.state === state && (unsubscribe(), resolve(link.status));
    const unsubscribe = link.subscribe(look);
    look();
  });
}

test('the dialler speaks first, in binary, under the sub-protocol', async () => {
  const made = Puppet.next();
  const link = connect({ token: 'secret' });
  const socket = await made;
  assert.equal(socket.url, 'ws://nowhere/troupe');
  assert.equal(socket.protocol, 'troupe.v1');
  assert.equal(socket.binaryType, 'arraybuffer');
  assert.equal(link.status.state, 'connecting');
  const spoken = new Promise((resolve) => { socket.onsent = resolve; });
  socket.open();
  await spoken;
  assert.ok(socket.sent[0] instanceof Uint8Array && socket.sent[0].length > 10);
});

test('a token is asked for at each attempt, and attempts do not end', async () => {
  let asked = 0;
  const link = connect({ token: async () => `ticket ${++asked}` });
  for (let i = 0; i < 4; i++) {
    (await Puppet.next()).close();
  }
  const down = await status(link, 'down');
  assert.ok(asked >= 4, `asked ${asked} times`);
  assert.equal(down.reason.code, 'noconnection');
  assert.ok(down.retryMs >= 0);
});

test('a token that fails is a reason, not the end', async () => {
  let fails = true;
  const link = connect({ token: () => (fails ? Promise.reject(new Error('no ticket')) : 'yes') });
  assert.equal((await status(link, 'down')).reason.message, 'no ticket');
  fails = false;
  await Puppet.next();
});

test('nonsense from the other side ends the connection, not the link', async () => {
  const first = Puppet.next();
  const link = connect({});
  const socket = await first;
  socket.open();
  await new Promise((resolve) => { socket.onsent = resolve; });
  socket.onmessage({ data: new Uint8Array(64).fill(0xff).buffer });
  const { reason } = await status(link, 'down');
  assert.ok(reason.code, 'a reason with a code');
  assert.equal(socket.readyState, 3);
  await Puppet.next();
});

test('pauses grow, are jittered, and are cut short by `online`', async () => {
  const link = connect({ reconnect: { min: 1000, max: 60000 } });
  (await Puppet.next()).close();
  const { retryMs } = await status(link, 'down');
  assert.ok(retryMs >= 500 && retryMs <= 1500, `${retryMs} ms`);
  const second = Puppet.next();
  page.dispatchEvent(new Event('online'));
  (await second).close();
  const longer = (await status(link, 'down')).retryMs;
  assert.ok(longer > retryMs * 0.7 && longer <= 2250, `${longer} ms`);
});

test('a page that is put away closes its connection and makes it again when shown', async () => {
  const first = Puppet.next();
  const link = connect({});
  const socket = await first;
  socket.open();
  await new Promise((resolve) => { socket.onsent = resolve; });
  page.dispatchEvent(new Event('pagehide'));
  await status(link, 'down');
  assert.equal(socket.readyState, 3);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(Puppet.made.length, 1, 'no attempt while put away');
  const second = Puppet.next();
  page.dispatchEvent(new Event('pageshow'));
  await second;
});

test('close ends it: no further attempt, ready rejects, changes end', async () => {
  const first = Puppet.next();
  const link = connect({});
  const seen = [];
  const iterated = (async () => {
    for await (const { state } of link.changes()) {
      seen.push(state);
    }
  })();
  await first;
  await link.close();
  await iterated;
  assert.deepEqual(seen, ['connecting', 'closed']);
  await assert.rejects(link.ready, { code: 'closed' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(Puppet.made.length, 1);
});

test('an aborted signal closes the link with its reason', async () => {
  const controller = new AbortController();
  const first = Puppet.next();
  const link = connect({ signal: controller.signal });
  await first;
  controller.abort(new Error('enough'));
  assert.equal((await status(link, 'closed')).reason.message, 'enough');
  await assert.rejects(link.ready, /enough/);
});

test('without reconnection the first failure is the end', async () => {
  const first = Puppet.next();
  const link = connect({ reconnect: false });
  (await first).close();
  assert.equal((await status(link, 'closed')).reason.code, 'noconnection');
});

test('the name of the other node is needed for a ref', () => {
  assert.throws(() => connect({}).ref('relay'), { code: 'noconnection' });
});

test('an unknown right and a missing WebSocket are refused at once', () => {
  assert.throws(() => connect({ rights: ['everything'] }), { code: 'invalid' });
  const { WebSocket } = globalThis;
  delete globalThis.WebSocket;
  assert.throws(() => runtime.connect('ws://nowhere'), { code: 'unsupported' });
  globalThis.WebSocket = WebSocket;
});
