// The echo service as it is in the page, in Node.js: what it answers, and what it says to those who ask wrongly.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { site } from './support.mjs';

const load = (file) => import(pathToFileURL(join(site, file)));
const lines = [];
let runtime;
let relay;

before(async () => {
  const { createRuntime } = await load('troupe/slim.mjs');
  const { default: wasm } = await load('demo.mjs');
  runtime = await createRuntime({ wasm, log: (level, who, text) => lines.push(text) });
  relay = await runtime.spawn('relay');
});

after(() => runtime.close());

const echo = (text) => runtime.call(relay, { $type: 'demo.EchoRequest', text }, { timeout: 2000 });
const stats = async () => {
  const { messages, spawned, exited } = await runtime.call(relay, { $type: 'demo.RelayQuery' });
  return { messages, spawned, exited };
};

test('the relay is known by its name', async () => {
  assert.equal((await runtime.whereis('relay')).pid, relay.pid);
});

test('texts of all sorts come back in upper case, ASCII letters only', async () => {
  const texts = ['', 'a', 'z{`@[', 'grüße', 'nul\0inside', '𝄞 µ ß', 'long '.repeat(20000)];
  const answers = await Promise.all(texts.map(echo));
  answers.forEach(({ text }, i) => assert.equal(text, texts[i].replace(/[a-z]/g, (c) => c.toUpperCase())));
  assert.equal(new Set(answers.map(({ worker }) => worker.pid)).size, texts.length);
});

test('a worker waits 100 ms, and many wait together', async () => {
  const started = performance.now();
  await Promise.all(Array.from({ length: 1000 }, () => echo('x')));
  const took = performance.now() - started;
  assert.ok(took >= 100 && took < 2000, `1000 answers took ${took} ms`);
});

test('the counters tell of each message, and in the end of no worker that is left', async () => {
  const before = await stats();
  await Promise.all(Array.from({ length: 10 }, () => echo('x')));
  let now = await stats();
  for (let i = 0; i < 1000 && now.exited < now.spawned; i++) {
    now = await stats();
  }
  assert.deepEqual(now, {
    messages: before.messages + 10, spawned: before.spawned + 10, exited: before.spawned + 10,
  });
});

test('a request of another type is refused with what to ask', async () => {
  await assert.rejects(runtime.call(relay, { $type: 'demo.EchoReply', text: 'x' }), /demo\.EchoRequest/);
  await assert.rejects(runtime.call(relay, 'a bare value'), /demo\.EchoRequest/);
});

test('a message that nobody waits for is dropped with a warning', async () => {
  const before = await stats();
  runtime.send(relay, { $type: 'demo.EchoRequest', text: 'x' });
  assert.deepEqual(await stats(), before);
  assert.ok(lines.some((line) => line.includes('not a request')), lines.join('\n'));
});

test('there is one relay a runtime', async () => {
  await assert.rejects(runtime.spawn('relay'), { code: 'exists' });
});

test('requests that its worker holds end with an error when everything is stopped', async () => {
  const { createRuntime } = await load('troupe/slim.mjs');
  const { default: wasm } = await load('demo.mjs');
  const brief = await createRuntime({ wasm, log: () => {} });
  const asked = brief.call(await brief.spawn('relay'), { $type: 'demo.EchoRequest', text: 'x' });
  const settled = assert.rejects(asked, (error) => typeof error.code === 'string');
  await brief.close({ drain: 0 });
  await settled;
});
