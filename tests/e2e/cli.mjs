// The `troupe` command as its users meet it: pipes, exit codes, one clear line for each mistake.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TroupeNode, cookie, run } from './support.mjs';

let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-e2e-'));
});

after(() => rm(folder, { recursive: true }));

async function file(name, content, mode = 0o600) {
  const path = join(folder, name);
  await writeFile(path, content, { mode });
  return path;
}

const LOCAL = /^from worker: <\d+\.\d+>$/;
const workers = (out) => out.match(/from worker: .*/g) ?? [];

test('piped lines come back in upper case, each from a worker of its own, and the end of input is no error', async () => {
  const { code, out, err } = await run(['echo'], { input: 'hello\ngrüße\n' });
  assert.equal(code, 0);
  assert.equal(err, '');
  assert.match(out, /HELLO\n[^]*GRüßE\n/);
  assert.equal(workers(out).length, 2);
  workers(out).forEach((line) => assert.match(line, LOCAL));
  assert.notEqual(workers(out)[0], workers(out)[1]);
});

test('an empty line ends it, and what follows is not sent', async () => {
  const { code, out } = await run(['echo'], { input: 'one\n\ntwo\n' });
  assert.equal(code, 0);
  assert.match(out, /ONE/);
  assert.doesNotMatch(out, /TWO/);
});

test('nothing at all is fine, and a last line without its end counts', async () => {
  assert.equal((await run(['echo'])).code, 0);
  const { code, out } = await run(['echo'], { input: 'unfinished' });
  assert.equal(code, 0);
  assert.match(out, /UNFINISHED/);
});

test('--connect uses the relay of another node, and the pid names that node', async () => {
  const node = await TroupeNode.start({ args: ['--name', 'far-away'] });
  try {
    const { code, out, err } = await run(['echo', '--connect', node.tcp],
      { input: 'over there\n', env: { TROUPE_COOKIE: cookie } });
    assert.equal(code, 0, err);
    assert.match(out, /OVER THERE/);
    assert.match(workers(out)[0], /^from worker: <far-away#[0-9a-f]+\/\d+\.\d+>$/);
  } finally {
    assert.equal(await node.end('SIGINT'), 0);
  }
});

test('a wrong cookie is refused in one clear line', async () => {
  const node = await TroupeNode.start();
  try {
    const wrong = await file('wrong-cookie', 'not the cookie of that node');
    const { code, err } = await run(['echo', '--connect', node.tcp, '--cookie-file', wrong], { input: 'x\n' });
    assert.notEqual(code, 0);
    assert.match(err, /^troupe echo: .*cookie.*\n$/);
  } finally {
    await node.end();
  }
});

test('the relay logs its counters every five seconds, as JSON if asked', async () => {
  const node = await TroupeNode.start({ args: ['--log-format', 'json'] });
  try {
    await run(['echo', '--connect', node.tcp], { input: 'a\nb\n', env: { TROUPE_COOKIE: cookie } });
    await node.line(node.err, /2 messages, workers: 2 spawned, 2 exited/);
    node.err.forEach((line) => assert.doesNotThrow(() => JSON.parse(line), `not JSON: ${line}`));
  } finally {
    assert.equal(await node.end('SIGTERM'), 0);
  }
});

test('--help and --version say what they should and succeed', async () => {
  for (const args of [['--help'], ['node', '--help'], ['echo', '--help']]) {
    const { code, out, err } = await run(args);
    assert.equal(code, 0);
    assert.match(out, /^Usage: troupe /);
    assert.equal(err, '');
  }
  const { code, out } = await run(['--version']);
  assert.equal(code, 0);
  assert.match(out, /^troupe \d+\.\d+\.\d+\n$/);
});

async function assertRefused(args, pattern, options) {
  const { code, err, out } = await run(args, options);
  assert.ok(Number.isInteger(code) && code !== 0, `${args.join(' ')} ended with ${code}`);
  assert.match(err, pattern);
  assert.equal(err.trimEnd().split('\n').length, 1, `more than one line: ${err}`);
  assert.equal(out, '');
}

test('each mistake is one clear line and an exit code other than 0', async () => {
  const elsewhere = createServer();
  await new Promise((resolve) => { elsewhere.listen(0, '127.0.0.1', resolve); });
  const taken = `127.0.0.1:${elsewhere.address().port}`;
  try {
    await assertRefused([], /command is missing/);
    await assertRefused(['dance'], /unknown command dance/);
    await assertRefused(['node', '--loud'], /unknown option --loud/);
    await assertRefused(['node', '--listen'], /value is missing for --listen/);
    await assertRefused(['node', '--log-format', 'xml'], /text or json, not xml/);
    await assertRefused(['node', '--cookie', 'secret'], /--cookie-file/);
    await assertRefused(['node', '--cookie-file', join(folder, 'none')], /none/);
    await assertRefused(['node', '--cookie-file', await file('short', 'short')], /short/);
    await assertRefused(['node', '--serve', join(folder, 'nowhere')], /nowhere/);
    await assertRefused(['node', '--listen', taken], new RegExp(`${taken}.*in use`));
    await assertRefused(['node', '--listen-http', '127.0.0.1:0', '--listen-tcp', taken], new RegExp(`${taken}.*in use`));
    await assertRefused(['node', '--listen', 'nonsense'], /nonsense/);
    await assertRefused(['echo', '--connect', 'tcp://127.0.0.1:1'], /cookie/, { env: { TROUPE_COOKIE: '' } });
    await assertRefused(['echo', '--connect', 'tcp://127.0.0.1:1'], /127\.0\.0\.1:1/, { env: { TROUPE_COOKIE: cookie } });
  } finally {
    elsewhere.close();
  }
});
