// The status of a link or worker: a value that changes, to be read, subscribed to or iterated over.
import { NodeDownError } from './errors.mjs';
import { makeRef } from './cbor.mjs';

/** Where it is missing, a symbol of the same name serves. */
export const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');

export class Status {
  #listeners = new Set();
  /** { state: 'connecting' | 'up' | 'suspect' | 'down' | 'closed', node, reason } */
  status = Object.freeze({ state: 'connecting', node: '', reason: null });

  constructor() {
    this.ready = new Promise((resolve, reject) => {
      this.settleReady = { resolve, reject };
    });
    this.ready.catch(() => {});
  }

  [asyncDispose]() { return this.close(); }

  get node() { return this.status.node; }

  /** Calls `listener` with each new status. Returns a function that ends that. */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The current status, and each later one until `closed`. A slow reader sees the latest. */
  async* changes({ signal } = {}) {
    let wake;
    const look = () => wake?.();
    const unsubscribe = this.subscribe(look);
    signal?.addEventListener('abort', look);
    try {
      for (let seen; seen?.state !== 'closed';) {
        if (seen === this.status) {
          await new Promise((resolve) => {
            wake = resolve;
          });
        }
        signal?.throwIfAborted();
        if (seen !== this.status) {
          yield seen = this.status;
        }
      }
    } finally {
      unsubscribe();
      signal?.removeEventListener('abort', look);
    }
  }

  /** A ref to whoever is called `name` on the other node, now and after a reconnection. */
  ref(name) {
    if (!this.node) {
      throw new NodeDownError('the other node is not known yet', { hint: 'await `ready` first' });
    }
    return makeRef(`<${this.node}!${name}>`);
  }

  change(state, details) {
    this.status = Object.freeze({ state, node: this.node, reason: null, ...details });
    if (state === 'up') {
      this.settleReady.resolve(this);
    } else if (state === 'closed') {
      this.settleReady.reject(this.status.reason ?? new NodeDownError('the link was closed'));
    }
    this.#listeners.forEach((listener) => listener(this.status));
  }
}

