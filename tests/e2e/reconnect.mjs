// The server is killed and started again on the same port: the page says so, ends what was in flight with an error,
// and reconnects by itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../support/browser.mjs';
import { TroupeNode, answerIn, ask, openDemo, send, waitForState } from './support.mjs';

let node;
let browser;

before(async () => {
  node = await TroupeNode.start();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await node?.end('SIGKILL');
});

test('a killed server ends the call in flight; the page says so and comes back by itself', async () => {
  const page = await openDemo(await browser.newContext(), node.origin);
  assert.equal((await ask(page, 'server', 'before')).text, 'BEFORE');
  assert.deepEqual(page.troubles, []);
  const first = node;

  const inFlight = await send(page, 'server', 'during');
  assert.equal(await first.end('SIGKILL'), 'SIGKILL');
  const lost = await answerIn(inFlight);
  assert.equal(lost.failed, true);
  assert.match(lost.from, /^no answer: no connection/);

  await waitForState(page, 'server', 'down');
  assert.match(await page.textContent('#status'), /^(down: |connecting)/);
  await page.waitForFunction(() => /next attempt in \d+ s/.test(document.querySelector('#countdown').textContent));
  const refused = await ask(page, 'server', 'while it is down');
  assert.equal(refused.failed, true);
  assert.equal((await ask(page, 'page', 'here')).text, 'HERE', 'the page goes on without the server');
  assert.equal((await ask(page, 'worker', 'there')).text, 'THERE', 'and so does the worker');

  node = await TroupeNode.start({ port: first.port });
  await waitForState(page, 'server', 'up');
  assert.equal(await page.textContent('#status'), `up: connected to ${node.name}`);
  assert.equal(await page.textContent('#countdown'), '');
  const back = await ask(page, 'server', 'after');
  assert.equal(back.text, 'AFTER');
  assert.equal(back.from.match(/<([^#]+)#/)[1], node.name);

  // The browser itself reports each attempt to reach a server that is not there. Nothing else may be wrong.
  const others = page.troubles.filter((trouble) =>
    !/net::ERR_|^failed: .*\/troupe\/token$|WebSocket connection to/.test(trouble));
  assert.deepEqual(others, []);
  await page.context().close();
});

test('a server that ends in good order is reported and found again, too', async () => {
  const page = await openDemo(await browser.newContext(), node.origin);
  const { port } = node;
  assert.equal(await node.end('SIGINT'), 0);
  await waitForState(page, 'server', 'down');
  node = await TroupeNode.start({ port });
  await waitForState(page, 'server', 'up');
  assert.equal((await ask(page, 'server', 'again')).text, 'AGAIN');
  await page.context().close();
});
