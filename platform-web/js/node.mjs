// For Node: gives it the `Worker` of browsers, on worker_threads. `import 'troupe/node'` before the first worker. Pages
// do not load this file.
import { Worker as Thread } from 'node:worker_threads';

globalThis.Worker ??= class Worker extends EventTarget {
  #thread;

  constructor(url, { name } = {}) {
    super();
    this.#thread = new Thread(new URL('./node-worker.mjs', import.meta.url), { name, workerData: String(url) });
    this.#thread.on('message', (data) => this.dispatchEvent(Object.assign(new Event('message'), { data })));
    this.#thread.on('error', (error) => this.dispatchEvent(Object.assign(new Event('error'), { error })));
  }

  postMessage(message, transfer) { this.#thread.postMessage(message, transfer); }
  terminate() { this.#thread.terminate(); }
};
