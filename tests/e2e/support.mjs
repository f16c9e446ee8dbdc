// What the end-to-end tests share: the command under test, a node of it, and a page that keeps an account of
// everything that went wrong on it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

const DEADLINE_MS = 15000;

export const command = required('TROUPE_COMMAND');
export const site = process.env.TROUPE_SITE;
export const cookie = 'an end-to-end test cookie';

function required(variable) {
  const path = process.env[variable];
  if (!path || !existsSync(path)) {
    throw new Error(`${variable} is ${path || 'not set'}: build the presets native-release and web-release first`);
  }
  return path;
}

/** Resolves when `condition()` is true; it is asked at each `change`. Rejects with `what` after the deadline. */
export async function until(condition, change, what) {
  const deadline = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadline) {
      throw new Error(typeof what === 'function' ? what() : what);
    }
    await Promise.race([change(), new Promise((resolve) => { setTimeout(resolve, 100); })]);
  }
}

/** Runs the command to its end. `input` is what it reads; resolves with `{ code, out, err }`. */
export async function run(args, { input = '', env = {} } = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env } });
  const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { err += data; });
  child.stdin.on('error', () => {}); // it may end before it has read all
  child.stdin.end(input);
  const code = await new Promise((resolve) => { child.on('close', (exit, signal) => resolve(exit ?? signal)); });
  clearTimeout(timer);
  return { code, out, err };
}

/** A running `troupe node`. */
export class TroupeNode {
  out = [];
  err = [];
  #child;
  #change = () => {};

  static async start({ port = 0, args = [], env = {} } = {}) {
    const node = new TroupeNode(['node', '--listen-http', `127.0.0.1:${port}`, '--serve', site, ...args], env);
    await node.line(node.out, /Ctrl-C/);
    return node;
  }

  constructor(args, env) {
    this.#child = spawn(command, args, { env: { ...process.env, TROUPE_COOKIE: cookie, ...env } });
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => resolve(code ?? signal));
    });
    this.ended.then((code) => { this.code = code; });
    for (const name of ['out', 'err']) {
      createInterface(this.#child[`std${name}`]).on('line', (line) => {
        this[name].push(line);
        this.#change();
      });
    }
  }

  /** The match of the first line of `lines` that fits, now or later. */
  async line(lines, pattern) {
    let match;
    const look = () => (match = lines.map((line) => line.match(pattern)).find(Boolean)) || this.code !== undefined;
    await until(look, () => new Promise((resolve) => { this.#change = resolve; }),
      () => `the node wrote nothing like ${pattern}:\n${this}`);
    if (!match) {
      throw new Error(`the node ended with ${this.code}:\n${this}`);
    }
    return match;
  }

  get name() { return this.#said(/^Node (\S+) is up/); }
  get origin() { return this.#said(/(http:\/\/[^/]+)\//); }
  get tcp() { return this.#said(/(tcp:\/\/\S+)/); }
  get port() { return Number(new URL(this.origin).port); }

  #said(pattern) {
    const found = this.out.map((line) => line.match(pattern)).find(Boolean);
    if (!found) {
      throw new Error(`the node did not print ${pattern}:\n${this}`);
    }
    return found[1];
  }

  /** Ends it by a signal and resolves with its exit code, or the signal's name. */
  async end(signal = 'SIGINT') {
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), DEADLINE_MS);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }

  toString() { return [...this.out, ...this.err].join('\n'); }
}

/** Opens the demo and waits until all three places answer. `page.troubles` lists errors as they come. */
export async function openDemo(context, origin) {
  const page = await context.newPage();
  page.troubles = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      page.troubles.push(`${message.type()}: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => page.troubles.push(`uncaught: ${error.message}`));
  page.on('requestfailed', (request) => page.troubles.push(`failed: ${request.url()}`));
  page.on('response', (response) => response.status() >= 400 &&
    page.troubles.push(`HTTP ${response.status()}: ${response.url()}`));
  page.setDefaultTimeout(DEADLINE_MS);
  await page.goto(`${origin}/`);
  await waitForState(page, 'server', 'up');
  return page;
}

/** Waits until a place shows `state`. */
export async function waitForState(page, place, state) {
  try {
    await page.waitForSelector(`.place[data-place="${place}"] .state[data-state="${state}"]`);
  } catch (cause) {
    const status = await page.textContent('#status');
    throw new Error(`${place} is not ${state}; the page says: ${status}\n${page.troubles.join('\n')}`, { cause });
  }
}

/** Sends `text` to a place as a visitor does. Resolves with the item of the answer, settled or not. */
export async function send(page, place, text) {
  await page.check(`input[value="${place}"]`);
  await page.fill('#text', text);
  await page.keyboard.press('Enter');
  return page.locator('#answers li').first();
}

/** Waits for the answer: `{ text, from, failed }`. */
export async function answerIn(item) {
  await item.locator('.said:not(.waiting)').waitFor();
  const said = item.locator('.said');
  return {
    text: await said.textContent(),
    from: await item.locator('.from').textContent(),
    failed: (await said.getAttribute('class')).includes('failed'),
  };
}

/** Sends and waits. */
export async function ask(page, place, text) {
  return answerIn(await send(page, place, text));
}

/** The counters of a place as the page shows them. */
export function counters(page, place) {
  return page.$$eval(`.place[data-place="${place}"] [data-count]`,
    (all) => Object.fromEntries(all.map((one) => [one.dataset.count, one.textContent])));
}
