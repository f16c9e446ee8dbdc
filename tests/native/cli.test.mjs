// The `troupe` command under the sanitizers of this build: two processes, a kill, signals, cookies. What its users see is
// tested end to end with the release build; here every path runs once in a build that watches memory and threads.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

const command = process.env.TROUPE_COMMAND;
const cookie = 'a cookie for the command line';
const DEADLINE_MS = 20000;

let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-cli-'));
});

after(() => rm(folder, { recursive: true }));

/** A running command: its lines so far, and its end. */
class Running {
  lines = [];
  #waiting = [];

  constructor(args, env = {}) {
    const { TROUPE_COOKIE, ...inherited } = process.env;
    this.child = spawn(command, args, { env: { ...inherited, ...env } });
    this.timer = setTimeout(() => this.child.kill('SIGKILL'), DEADLINE_MS);
    this.child.stdin.on('error', () => {}); // it may end before it has read all
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface(stream).on('line', (line) => {
        this.lines.push(line);
        this.#waiting.forEach((look) => look());
      });
    }
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) => {
        clearTimeout(this.timer);
        resolve(code ?? signal);
        this.#waiting.forEach((look) => look(true));
      });
    });
  }

  /** The match of the first line that fits, now or later. */
  line(pattern) {
    return new Promise((resolve, reject) => {
      const look = (isOver) => {
        const match = this.lines.map((line) => line.match(pattern)).find(Boolean);
        if (match) {
          resolve(match);
        } else if (isOver) {
          reject(new Error(`nothing like ${pattern}:\n${this.lines.join('\n')}`));
        }
      };
      this.#waiting.push(look);
      look(false);
    });
  }

  async end(signal) {
    this.child.kill(signal);
    return this.ended;
  }
}

async function run(args, input = '', env = {}) {
  const running = new Running(args, env);
  running.child.stdin.end(input);
  const code = await running.ended;
  return { code, lines: running.lines, text: running.lines.join('\n') };
}

async function startNode(args = [], env = { TROUPE_COOKIE: cookie }) {
  const node = new Running(['node', '--listen-http', '127.0.0.1:0', ...args], env);
  await node.line(/Ctrl-C/);
  return node;
}

const addressOf = async (node) => (await node.line(/tcp:\/\/(\S+)/))[1];

test('a relay here and a relay there answer', async () => {
  const here = await run(['echo'], 'one\ntwo\n');
  assert.equal(here.code, 0, here.text);
  assert.deepEqual(here.lines.filter((line) => /^[A-Z]+$/.test(line)), ['ONE', 'TWO']);
  const node = await startNode();
  const there = await run(['echo', '--connect', await addressOf(node)], 'one\ntwo\n', { TROUPE_COOKIE: cookie });
  assert.equal(there.code, 0, there.text);
  assert.deepEqual(there.lines.filter((line) => /^[A-Z]+$/.test(line)), ['ONE', 'TWO']);
  assert.equal(await node.end('SIGTERM'), 0, node.lines.join('\n'));
});

test('a killed node is reported, and found again when it is back', async () => {
  let node = await startNode(['--no-http']);
  const address = await addressOf(node);
  const echo = new Running(['echo', '--connect', address, '--log-format', 'text'], { TROUPE_COOKIE: cookie });
  echo.child.stdin.write('before\n');
  await echo.line(/^BEFORE$/);
  await echo.line(/^from worker/);
  await node.end('SIGKILL');
  echo.child.stdin.write('during\n');
  await echo.line(/no connection/);
  node = await startNode(['--no-http', '--listen-tcp', address]);
  const name = (await node.line(/^Node (\S+) is up/))[1];
  await echo.line(new RegExp(`session with ${name} .* is up`));
  echo.child.stdin.write('after\n');
  await echo.line(/^AFTER$/);
  echo.child.stdin.end();
  assert.equal(await echo.ended, 0, echo.lines.join('\n'));
  assert.equal(await node.end('SIGINT'), 0, node.lines.join('\n'));
});

test('a node ends in good order with a session, an open page and a silent client', async () => {
  const node = await startNode();
  const tcp = (await addressOf(node)).split(':');
  const http = (await node.line(/http:\/\/([^/]+)\//))[1].split(':');
  const silent = createConnection(Number(tcp[1]), tcp[0]).on('error', () => {});
  const page = createConnection(Number(http[1]), http[0]).on('error', () => {});
  page.write(`GET /troupe HTTP/1.1\r\nHost: ${http.join(':')}\r\nOrigin: http://${http.join(':')}\r\n` +
    'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: troupe.v1\r\n\r\n');
  await new Promise((resolve) => { page.once('data', resolve); });
  const echo = new Running(['echo', '--connect', tcp.join(':')], { TROUPE_COOKIE: cookie });
  echo.child.stdin.write('x\n');
  await echo.line(/^X$/);
  assert.equal(await node.end('SIGTERM'), 0, node.lines.join('\n'));
  assert.equal(await echo.end('SIGTERM'), 0, echo.lines.join('\n'));
  silent.destroy();
  page.destroy();
});

test('the second signal ends at once', async () => {
  const node = await startNode();
  const silent = createConnection(...(await addressOf(node)).split(':').reverse().map((v, i) => (i ? v : Number(v))));
  silent.on('error', () => {});
  node.child.kill('SIGINT');
  node.child.kill('SIGTERM');
  const code = await node.ended;
  assert.ok([0, 130, 143, 'SIGINT', 'SIGTERM'].includes(code), `ended with ${code}`);
  silent.destroy();
});

test('cookies: made on request, private, shared by file; a wrong one is refused for good', async () => {
  const file = join(folder, 'cookie');
  const refused = await run(['node', '--cookie-file', file]);
  assert.equal(refused.code, 1);
  assert.match(refused.text, /No such file.*--create-cookie/);
  const node = await startNode(['--cookie-file', file, '--create-cookie'], {});
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const secret = (await readFile(file, 'utf8')).trim();
  assert.match(secret, /^[0-9a-f]{64}$/);
  const address = await addressOf(node);
  assert.match((await run(['echo', '--connect', address, '--cookie-file', file], 'in\n')).text, /^IN$/m);
  await writeFile(join(folder, 'wrong'), 'another cookie that is long enough', { mode: 0o600 });
  const wrong = await run(['echo', '--connect', address, '--cookie-file', join(folder, 'wrong')], 'in\n');
  assert.equal(wrong.code, 1);
  assert.match(wrong.text, /refused the cookie/);
  const other = new Running(['node', '--no-http', '--connect', address, '--cookie-file', join(folder, 'wrong')]);
  assert.equal(await other.ended, 1, other.lines.join('\n'));
  assert.doesNotMatch(node.lines.join('\n'), new RegExp(secret));
  assert.equal(await node.end('SIGINT'), 0);
});

test('a node without a cookie serves pages and says that no node can join', async () => {
  const node = await startNode([], {});
  await node.line(/without a cookie no other node can/);
  const echo = await run(['echo', '--connect', await addressOf(node)], 'x\n', { TROUPE_COOKIE: cookie });
  assert.equal(echo.code, 1);
  assert.equal(await node.end('SIGINT'), 0, node.lines.join('\n'));
});

test('two nodes keep a session, and log in JSON', async () => {
  const first = await startNode(['--name', 'first', '--log-format', 'json']);
  const second = await startNode(['--name', 'second', '--connect', await addressOf(first), '--schedulers', '2']);
  await second.line(/session with first .* is up/);
  const up = JSON.parse((await first.line(/^\{.*session with second.*/))[0]);
  assert.deepEqual(Object.keys(up), ['time', 'level', 'pid', 'text']);
  assert.equal(up.level, 'info');
  assert.equal(await second.end('SIGTERM'), 0, second.lines.join('\n'));
  await first.line(/session with second .* is down/);
  assert.equal(await first.end('SIGTERM'), 0, first.lines.join('\n'));
});

test('mistakes end before anything is opened', async () => {
  for (const [args, pattern, code] of [
    [['node', '--schedulers', '0'], /number from 1/, 2],
    [['node', '--schedulers', '65'], /number from 1/, 2],
    [['node', '--create-cookie'], /needs --cookie-file/, 2],
    [['node', '--name', 'two words'], /printable/, 1],
    [['node', '--origin', 'example.org'], /origin/, 1],
    [['node', '--connect', 'x:1'], /cookie/, 1],
    [['node', '--isolate=yes'], /no value belongs to/, 2],
    [['node', 'word'], /unexpected word/, 2],
    [['echo', '--cookie=secret'], /can be read by everybody/, 2],
    [['echo', '--log-format', 'xml'], /text or json/, 2],
  ]) {
    const result = await run(args);
    assert.match(result.text, pattern);
    assert.equal(result.lines.length, 1, result.text);
    assert.equal(result.code, code, args.join(' '));
  }
});
