// The inside of node.mjs's Worker: makes the thread look like a worker's global scope, then runs the file.
import { webcrypto } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';

globalThis.crypto ??= webcrypto;
const scope = new EventTarget();
globalThis.WorkerGlobalScope = class WorkerGlobalScope {
  static [Symbol.hasInstance](value) {
    return value === globalThis;
  }
};
globalThis.addEventListener = scope.addEventListener.bind(scope);
globalThis.removeEventListener = scope.removeEventListener.bind(scope);
globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer);
await import(workerData);
parentPort.on('message', (data) => scope.dispatchEvent(Object.assign(new Event('message'), { data })));
