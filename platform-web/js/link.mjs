// A session to the node behind a WebSocket, made again whenever it breaks: endless attempts with growing, jittered
// pauses, cut short when the page becomes visible or the network comes back. An open socket keeps a page
// out of the back/forward cache, so it is closed with the page and made again when that is shown.
import { ClosedError, NodeDownError, UnsupportedError } from './errors.mjs';
import { AUTH_TOKEN, openSession, rightsMask } from './session.mjs';
import { Status } from './status.mjs';

const PROTOCOL = 'troupe.v1';
const OPEN_TIMEOUT = 10000;
const BUFFERED_HIGH = 1 << 20;
const BUFFERED_LOW = 1 << 18;

const delay = (ms) => new Promise((resolve) => {
  setTimeout(resolve, ms);
});

export class Link extends Status {
  #runtime;
  #url;
  #options;
  #session = null;
  #socket = null;
  #attempts = 0;
  #closed = false;
  #hidden = false;
  #wake = () => {};
  #listening = new AbortController();

  constructor(runtime, url, options) {
    super();
    const { min = 250, max = 30000, jitter = true } = options.reconnect || {};
    this.#runtime = runtime;
    this.#url = String(url);
    this.#options = { ...options, min, max, jitter, rights: rightsMask(options.rights) };
    if (!(options.WebSocket ?? globalThis.WebSocket)) {
      throw new UnsupportedError('there is no WebSocket here', { hint: 'pass a class as the option `WebSocket`' });
    }
    options.signal?.throwIfAborted();
    this.#listen(options.signal, 'abort', () => this.#finish(options.signal.reason));
    this.#listen(globalThis, 'pagehide', () => {
      // Now, and not in a tick: the page may not get another one.
      this.#hidden = true;
      this.#socket?.close();
    });
    this.#listen(globalThis, 'pageshow', () => {
      this.#hidden = false;
      this.#wake();
    });
    this.#listen(globalThis, 'online', () => this.probe());
    this.#listen(globalThis.document, 'visibilitychange', () => document.hidden || this.probe());
    this.#run();
  }

  /** Each session that comes about ends the growth of the pauses. */
  change(state, details) {
    if (state === 'up') {
      this.#attempts = 0;
    }
    super.change(state, details);
  }

  /** Checks the connection now, or tries again now. */
  probe() {
    this.#session?.probe();
    this.#wake();
  }

  /** Ends the session in good order, and the link. */
  async close() {
    if (!this.#closed) {
      this.#finish(null);
      await this.#over;
    }
  }

  #over = Promise.resolve();

  #listen(target, name, handler) {
    target?.addEventListener?.(name, handler, { signal: this.#listening.signal });
  }

  #finish(reason) {
    this.#closed = true;
    this.#session?.close();
    this.#listening.abort();
    this.#runtime.disown(this);
    this.change('closed', { reason: reason ?? new ClosedError('the link was closed') });
    this.#wake();
  }

  async #run() {
    const { min, max, jitter, reconnect } = this.#options;
    while (!this.#closed) {
      this.#attempts++;
      this.change('connecting', { attempt: this.#attempts });
      const attempt = this.#attempt().catch((error) => error);
      this.#over = attempt;
      const reason = await attempt;
      if (this.#closed) {
        return;
      }
      if (reconnect === false) {
        this.#finish(reason);
        return;
      }
      const wait = Math.min(max, min * 1.5 ** this.#attempts) * (jitter ? 0.5 + Math.random() / 2 : 1);
      this.change('down', { reason: reason ?? new NodeDownError('the session has ended'), retryMs: wait });
      await this.#pause(wait);
    }
  }

  // Waits, but not past a `probe`; while the page is hidden in the back/forward cache until it is shown.
  async #pause(ms) {
    do {
      let timer;
      await new Promise((resolve) => {
        this.#wake = resolve;
        timer = this.#hidden ? null : setTimeout(resolve, ms);
      });
      clearTimeout(timer);
    } while (this.#hidden && !this.#closed);
    this.#wake = () => {};
  }

  // One connection from beginning to end. Resolves with the reason of its end, null for a good one.
  async #attempt() {
    const { WebSocket: Socket = globalThis.WebSocket, rights, token } = this.#options;
    const late = expiry(this.#listening.signal);
    const shown = await Promise.race([typeof token === 'function' ? token() : token, late]);
    if (this.#closed || this.#hidden) {
      return null;
    }
    const socket = this.#socket = new Socket(this.#url, PROTOCOL);
    socket.binaryType = 'arraybuffer';
    try {
      await Promise.race([opened(socket, this.#url), late]);
      return await this.#talk(socket, { auth: AUTH_TOKEN, dialler: true, rights, token: shown ?? '' });
    } finally {
      this.#session = null;
      socket.close();
    }
  }

  #talk(socket, how) {
    return new Promise((resolve) => {
      let isChoked = false;
      const session = openSession(this.#runtime, how, {
        write: (bytes) => {
          if (socket.readyState === 1) {
            socket.send(bytes);
          }
          if (socket.bufferedAmount > BUFFERED_HIGH && !isChoked) {
            isChoked = true;
            session.writable(false);
            this.#drained(socket).then(() => {
              isChoked = false;
              session.writable(true);
            });
          }
        },
        status: this,
        closed: resolve,
      });
      this.#session = session;
      socket.onmessage = ({ data }) => session.receive(new Uint8Array(data));
      socket.onclose = () => session.lost();
    });
  }

  // There is no event for it.
  async #drained(socket) {
    while (socket.readyState === 1 && socket.bufferedAmount > BUFFERED_LOW) {
      await delay(20);
    }
  }
}

function opened(socket, url) {
  return new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = socket.onclose = () => reject(new NodeDownError(`cannot connect to ${url}`, {
      hint: 'is the server there, and does it accept this origin?',
    }));
  });
}

// Rejects when an attempt has taken too long, or when its link is closed. The timer does not keep Node alive.
function expiry(closed) {
  const late = new Promise((resolve, reject) => {
    const fail = () => reject(new NodeDownError('the attempt took too long'));
    closed.addEventListener('abort', fail);
    AbortSignal.timeout(OPEN_TIMEOUT).addEventListener('abort', fail);
  });
  late.catch(() => {});
  return late;
}
