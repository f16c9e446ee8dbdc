// The three places where the echo service runs: this page, a worker of it, and the server. Each is asked in the
// same way, by a ref to the relay there; only how the ref comes about differs.
import { createRuntime } from './troupe/slim.mjs';
import wasm from './demo.mjs';

const ANSWER_MS = 2000;
const STATS_MS = 1000;

class Place {
  #runtime;
  #relay;

  /** `relay()` returns the ref, or throws while there is none. */
  constructor(runtime, key, relay) {
    this.#runtime = runtime;
    this.key = key;
    this.#relay = relay;
  }

  /** Resolves with `{ text, worker }`: the text in upper case and the pid of the actor that answered. */
  async echo(text) {
    const { text: answer, worker } = await this.#ask({ $type: 'demo.EchoRequest', text }, ANSWER_MS);
    return { text: answer, worker: worker.pid };
  }

  /** Resolves with the relay's counters: `{ messages, spawned, exited }`. */
  stats() {
    return this.#ask({ $type: 'demo.RelayQuery' }, STATS_MS);
  }

  async #ask(message, timeout) {
    return this.#runtime.call(this.#relay(), message, { timeout });
  }
}

// The server hands out short-lived tokens to its own pages; each attempt to connect takes a new one.
async function fetchToken() {
  let response;
  try {
    response = await fetch('/troupe/token', { cache: 'no-store' });
  } catch (cause) {
    throw new Error('the server does not answer', { cause });
  }
  if (!response.ok) {
    throw new Error(`the server gives no token: HTTP status ${response.status}`);
  }
  return (await response.json()).token;
}

// Each tab is a node of its own, and two nodes of one name cannot be told apart.
function tabName() {
  return `page-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
}

function relayOf(link) {
  if (!link.node) {
    throw new Error('the server has not been reached yet');
  }
  return link.ref('relay');
}

/** Starts the relays of this page and of a worker, and connects to the server's. Resolves before that is up. */
export async function openPlaces() {
  const runtime = await createRuntime({ wasm, name: tabName() });
  const here = await runtime.spawn('relay');
  const worker = await runtime.startWorker({ spawn: [['relay']] });
  const server = runtime.connect(new URL('/troupe', location.href.replace(/^http/, 'ws')), {
    token: fetchToken,
    reconnect: { min: 500, max: 10000 },
  });
  return {
    runtime,
    worker,
    server,
    places: [
      new Place(runtime, 'page', () => here),
      new Place(runtime, 'worker', () => worker.ref('relay')),
      new Place(runtime, 'server', () => relayOf(server)),
    ],
  };
}
