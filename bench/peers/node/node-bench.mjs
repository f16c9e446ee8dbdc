// The workloads of bench/README.md on Node's own means: an actor is the end of a MessageChannel.
// One scheduler: both ends in one thread. Two: an end in each of two worker threads.
//
// Usage: node node-bench.mjs WORKLOAD N SCHEDULERS

import { MessageChannel, Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { once } from 'node:events';
import { begin, choose, print, residentBytes } from './report.mjs';

const SENDERS = 4;

function nextSeed(seed) {
    return (Math.imul(seed, 1103515245) + 12345) >>> 0;
}

// -- roles of the worker threads ----------------------------------------------

const roles = {
    pong: ({ port }) => port.on('message', (value) => port.postMessage(value)),
    ping({ port, n }) {
        port.on('message', (value) => {
            if (value === 1) parentPort.postMessage('done');
            else port.postMessage(value - 1);
        });
        parentPort.once('message', () => port.postMessage(n));
    },
    count({ port, n }) {
        let left = n;
        port.on('message', () => {
            if (--left === 0) parentPort.postMessage('done');
        });
    },
    produce({ port, n }) {
        parentPort.once('message', () => {
            for (let k = 0; k < n; k++) port.postMessage(k);
        });
    },
};

async function start(role, port, n) {
    const data = { workerData: { role, port, n }, transferList: [port] };
    const worker = new Worker(new URL(import.meta.url), data);
    await once(worker, 'message');
    return worker;
}

/** Runs one role against another in two workers; the clock starts when both are up. */
async function pair(starter, other, waitsFor, n) {
    const { port1, port2 } = new MessageChannel();
    const workers = { [starter]: await start(starter, port1, n), [other]: await start(other, port2, n) };
    const end = begin();
    workers[starter].postMessage('go');
    await once(workers[waitsFor], 'message');
    return { took: end() };
}

// -- workloads ------------------------------------------------------------------

function pingpongInOneThread(n) {
    const { port1, port2 } = new MessageChannel();
    return new Promise((resolve) => {
        port2.on('message', (value) => port2.postMessage(value));
        port1.on('message', (value) => (value === 1 ? resolve() : port1.postMessage(value - 1)));
        port1.postMessage(n);
    });
}

function countingInOneThread(n) {
    const { port1, port2 } = new MessageChannel();
    return new Promise((resolve) => {
        let left = n;
        port2.on('message', () => --left === 0 && resolve());
        for (let k = 0; k < n; k++) port1.postMessage(k);
    });
}

function threadringInOneThread(n) {
    const channels = Array.from({ length: 503 }, () => new MessageChannel());
    return new Promise((resolve) => {
        channels.forEach(({ port2 }, k) => {
            const next = channels[(k + 1) % 503].port1;
            port2.on('message', (hops) => (hops === 0 ? resolve() : next.postMessage(hops - 1)));
        });
        channels[0].port1.postMessage(n);
    });
}

async function faninFromWorkers(n) {
    const each = Math.floor(n / SENDERS);
    let left = each * SENDERS;
    const producers = [];
    const finished = new Promise((resolve) => {
        for (let k = 0; k < SENDERS; k++) {
            const { port1, port2 } = new MessageChannel();
            port2.on('message', () => --left === 0 && resolve());
            producers.push(start('produce', port1, each));
        }
    });
    const workers = await Promise.all(producers);
    const end = begin();
    for (const worker of workers) worker.postMessage('go');
    await finished;
    return { took: end() };
}

function idle(n) {
    const resident = residentBytes();
    const end = begin();
    const channels = [];
    for (let k = 0; k < n; k++) {
        const channel = new MessageChannel();
        channel.port1.on('message', () => {});
        channels.push(channel);
    }
    const took = end();
    return { took, extra: `bytes:${Math.round((residentBytes() - resident) / channels.length)}` };
}

async function timers(n) {
    let latest = 0;
    const end = begin();
    await new Promise((resolve) => {
        let left = n;
        let seed = 12345;
        for (let k = 0; k < n; k++) {
            seed = nextSeed(seed);
            const delay = (seed >>> 8) % 1001;
            const due = performance.now() + delay;
            setTimeout(() => {
                latest = Math.max(latest, performance.now() - due);
                if (--left === 0) resolve();
            }, delay);
        }
    });
    return { took: end(), extra: `late_ms:${latest.toFixed(1)}` };
}

async function main() {
    const { workload, run, n, schedulers } = choose('node-bench', {
        'pingpong/1': pingpongInOneThread,
        'pingpong/2': (n) => pair('ping', 'pong', 'ping', n),
        'counting/1': countingInOneThread,
        'counting/2': (n) => pair('produce', 'count', 'count', n),
        'threadring/1': threadringInOneThread,
        'fanin/2': faninFromWorkers,
        'idle/1': idle,
        'timers/1': timers,
    });
    const end = begin();
    const result = await run(n);
    print(workload, 'node', schedulers, n, result?.took ?? end(), result?.extra);
    process.exit(0);
}

if (isMainThread) {
    await main();
} else {
    parentPort.postMessage('up');
    roles[workerData.role](workerData);
}
