// Guests: only pages of the server's own origin become one, and they reach what was exposed and nothing else.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { launchBrowser, serveFiles } from '../support/browser.mjs';
import { TroupeNode, openDemo, site } from './support.mjs';

let node;
let browser;
let stranger;

before(async () => {
  node = await TroupeNode.start();
  browser = await launchBrowser();
  stranger = await serveFiles(site, { '/': '<!doctype html><title>another site</title>' });
});

after(async () => {
  await browser?.close();
  await stranger?.close();
  await node?.end();
});

// The sub-protocol of the page itself, so that a refusal is about the origin and nothing else.
async function subprotocol() {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(() => {
    const { WebSocket } = globalThis;
    globalThis.WebSocket = class extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols);
        globalThis.asked = { url, protocols };
      }
    };
  });
  await page.goto(`${node.origin}/`);
  const asked = await (await page.waitForFunction(() => globalThis.asked)).jsonValue();
  await context.close();
  return asked;
}

/** Asks for an upgrade as a browser does, and resolves with the status. */
function upgrade({ url, protocols }, headers) {
  const { hostname, port, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    const asking = request({
      hostname, port, path: pathname, timeout: 5000,
      headers: {
        Host: `${hostname}:${port}`, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': Buffer.alloc(16, 7).toString('base64'), 'Sec-WebSocket-Protocol': protocols, ...headers,
      },
    });
    asking.on('response', (response) => { response.resume(); resolve(response.statusCode); });
    asking.on('upgrade', (response, socket) => { socket.destroy(); resolve(response.statusCode); });
    asking.on('timeout', () => asking.destroy(new Error('no answer')));
    asking.on('error', reject);
    asking.end();
  });
}

test('only the own origin gets a WebSocket', async () => {
  const asked = await subprotocol();
  const { host } = new URL(node.origin);
  assert.equal(await upgrade(asked, { Origin: node.origin }), 101, 'the check below proves nothing otherwise');
  const others = [
    stranger.origin, 'null', 'https://example.org', `https://${host}`, `http://${host}.example.org`,
    `http://user@${host}`, `http://localhost.example.org:${node.port}`, 'http://127.0.0.1:1', 'file://',
  ];
  for (const Origin of others) {
    assert.equal(await upgrade(asked, { Origin }), 403, `Origin ${Origin}`);
  }
  const rebound = { Origin: `http://evil.example.org:${node.port}`, Host: `evil.example.org:${node.port}` };
  assert.notEqual(await upgrade(asked, rebound), 101, 'a host name that was made to point here');
});

test('a page of another site gets neither a token nor a session', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${stranger.origin}/`);
  const asked = await subprotocol();
  const outcome = await page.evaluate(async ({ url, protocols, tokenUrl }) => {
    const token = await fetch(tokenUrl).then((response) => response.text(), () => 'refused');
    const socket = await new Promise((resolve) => {
      const opened = new WebSocket(url, protocols);
      opened.onopen = () => resolve('open');
      opened.onerror = () => resolve('refused');
    });
    return { token, socket };
  }, { ...asked, tokenUrl: `${node.origin}/troupe/token` });
  assert.deepEqual(outcome, { token: 'refused', socket: 'refused' });
  await page.context().close();
});

test('the demo works under localhost as under 127.0.0.1', async () => {
  const context = await browser.newContext();
  const page = await openDemo(context, `http://localhost:${node.port}`);
  assert.deepEqual(page.troubles, []);
  await context.close();
});

test('a guest reaches the exposed relay and the pids it was given, and no other', async () => {
  const page = await openDemo(await browser.newContext(), node.origin);
  const outcome = await page.evaluate(async () => {
    const { createRuntime } = await import('/troupe/slim.mjs');
    const { default: wasm } = await import('/demo.mjs');
    const runtime = await createRuntime({ wasm });
    const token = async () => (await (await fetch('/troupe/token')).json()).token;
    const link = await runtime.connect(`ws://${location.host}/troupe`, { token }).ready;
    const ask = (to) => runtime.call(to, { $type: 'demo.EchoRequest', text: 'x' }, { timeout: 2000 })
      .then(({ text, worker }) => ({ text, pid: worker.pid }), ({ code }) => code);
    const exposed = await ask(link.ref('relay'));
    const relay = exposed.pid.replace(/[0-9]+\.[0-9]+>$/, '');
    const forged = [];
    for (let index = 0; index < 100; index++) {
      forged.push(ask({ pid: `${relay}${index}.1>` }));
    }
    const result = {
      exposed: exposed.text,
      gone: await ask({ pid: exposed.pid }),
      hidden: await ask(link.ref('echo_worker')),
      forged: [...new Set(await Promise.all(forged))],
    };
    await runtime.close();
    return result;
  });
  assert.equal(outcome.exposed, 'X');
  assert.equal(outcome.gone, 'noproc', 'it was given, but its actor has ended');
  assert.ok(['denied', 'noproc'].includes(outcome.hidden), `a name that was not exposed: ${outcome.hidden}`);
  assert.ok(outcome.forged.every((code) => code === 'denied' || code === 'noproc'), outcome.forged.join());
  await page.context().close();
});
