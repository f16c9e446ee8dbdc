// The demo's page in Chromium, served by the native node: it echoes in three places, looks right on a phone, and can
// be used with the keyboard alone. TROUPE_SCREENSHOT=docs/images/demo.png also takes the picture of the README.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../support/browser.mjs';
import { TroupeNode, ask, counters, openDemo, waitForState } from './support.mjs';

let node;
let browser;

before(async () => {
  node = await TroupeNode.start({ args: ['--name', 'server'] });
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await node?.end();
});

const desk = { viewport: { width: 1000, height: 800 }, deviceScaleFactor: 2 };

test('the page echoes here, in a worker and on the server, and the pid shows where', async () => {
  const page = await openDemo(await browser.newContext(desk), node.origin);
  const answers = {};
  for (const place of ['page', 'worker', 'server']) {
    answers[place] = await ask(page, place, `hello from the ${place}`);
    assert.equal(answers[place].text, `HELLO FROM THE ${place.toUpperCase()}`);
    assert.match(answers[place].from, /^from worker <[^>]+#[0-9a-f]+\/\d+\.\d+>, .* \d+ ms$/);
  }
  const nodeOf = (place) => answers[place].from.match(/<([^#]+)#/)[1];
  assert.equal(nodeOf('server'), node.name);
  assert.match(nodeOf('page'), /^page-/);
  assert.equal(new Set([nodeOf('page'), nodeOf('worker'), nodeOf('server')]).size, 3);
  await page.waitForFunction(() => [...document.querySelectorAll('[data-count=exited]')]
    .every((count) => count.textContent === '1'));
  for (const place of ['page', 'worker', 'server']) {
    assert.deepEqual(await counters(page, place), { messages: '1', spawned: '1', exited: '1' });
  }
  assert.equal(await page.textContent('#status'), `up: connected to ${node.name}`);
  if (process.env.TROUPE_SCREENSHOT) {
    await page.fill('#text', '');
    await page.screenshot({ path: process.env.TROUPE_SCREENSHOT });
  }
  assert.deepEqual(page.troubles, []);
  await page.context().close();
});

test('answers come back in the order of their workers, each to its own line', async () => {
  const page = await openDemo(await browser.newContext(desk), node.origin);
  const texts = Array.from({ length: 20 }, (_, i) => `line ${i}`);
  await page.check('input[value="server"]');
  for (const text of texts) {
    await page.fill('#text', text);
    await page.keyboard.press('Enter');
  }
  await page.waitForFunction(() => document.querySelectorAll('#answers .said:not(.waiting)').length === 20);
  const said = await page.$$eval('#answers .said', (all) => all.map(({ textContent }) => textContent));
  assert.deepEqual(said.reverse(), texts.map((text) => text.toUpperCase()));
  const pids = await page.$$eval('#answers code', (all) => all.map(({ textContent }) => textContent));
  assert.equal(new Set(pids).size, 20, 'each line has a worker of its own');
  assert.deepEqual(page.troubles, []);
  await page.context().close();
});

test('text is text: markup, long lines and odd characters come back unharmed', async () => {
  const page = await openDemo(await browser.newContext(desk), node.origin);
  const odd = `<img src=x onerror=alert(1)> & "quotes" grüße \u202e𝄞 ${'x'.repeat(1900)}`;
  for (const place of ['page', 'worker', 'server']) {
    const { text } = await ask(page, place, odd);
    assert.equal(text, odd.replace(/[a-z]/g, (letter) => letter.toUpperCase()));
  }
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  assert.deepEqual(page.troubles, []);
  await page.context().close();
});

test('on a phone nothing sticks out, in light and in dark', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const context = await browser.newContext({
      viewport: { width: 360, height: 740 }, deviceScaleFactor: 3, isMobile: true, hasTouch: true, colorScheme,
    });
    const page = await openDemo(context, node.origin);
    await page.tap('.place[data-place="server"]');
    await page.tap('#text');
    await page.fill('#text', 'hello from a phone');
    await page.tap('button');
    await page.waitForFunction(() => document.querySelector('#answers .said')?.textContent === 'HELLO FROM A PHONE');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    const size = await page.locator('button').boundingBox();
    assert.ok(size.height >= 44, `the button is ${size.height} px high, too small for a finger`);
    assert.deepEqual(page.troubles, []);
    await context.close();
  }
});

test('the keyboard and the names of the fields are enough to use it', async () => {
  const page = await openDemo(await browser.newContext(desk), node.origin);
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.getByRole('radio', { name: 'In a worker' }).isChecked(), true);
  await page.keyboard.press('Tab');
  assert.equal(await page.getByRole('textbox', { name: 'Say something' }).evaluate(
    (box) => box === document.activeElement), true);
  await page.keyboard.type('no mouse');
  await page.keyboard.press('Enter');
  await page.getByRole('log', { name: 'Answers' }).getByText('NO MOUSE').waitFor();
  assert.deepEqual(page.troubles, []);
  await page.context().close();
});

test('two tabs are two guests of one server, and see the same counters', async () => {
  const context = await browser.newContext(desk);
  const [one, two] = [await openDemo(context, node.origin), await openDemo(context, node.origin)];
  const [first, second] = await Promise.all([ask(one, 'server', 'from one'), ask(two, 'server', 'from two')]);
  assert.deepEqual([first.text, second.text], ['FROM ONE', 'FROM TWO']);
  await one.bringToFront();
  const { messages } = await counters(two, 'server');
  await ask(one, 'server', 'again');
  await two.bringToFront();
  await two.waitForFunction((before) =>
    Number(document.querySelector('[data-place=server] [data-count=messages]').textContent) > before, Number(messages));
  await two.reload();
  await waitForState(two, 'server', 'up');
  assert.equal((await ask(two, 'server', 'after a reload')).text, 'AFTER A RELOAD');
  assert.deepEqual([...one.troubles, ...two.troubles], []);
  await context.close();
});
