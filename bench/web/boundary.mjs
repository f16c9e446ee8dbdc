// What it costs to cross from JavaScript to C actors, and from one worker to another, under Node; next to bare
// postMessage.
//
// usage: node bench/web/boundary.mjs [--rounds N] [--build DIR] [--write FILE]

import { readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describeMachine } from '../lib/machine.mjs';
import { summarise } from '../lib/runs.mjs';
import { replaceBetween, toMarkdown, toText, withSpread } from '../lib/table.mjs';

const { values: options } = parseArgs({
    options: {
        rounds: { type: 'string', default: '5' },
        build: { type: 'string', default: 'build' },
        write: { type: 'string' },
    },
});
const build = path.resolve(options.build, 'web-release');
const packed = (file) => import(pathToFileURL(path.join(build, 'platform-web/package', file)));
await packed('node.mjs');
const { createRuntime } = await packed('slim.mjs');
const wasm = await WebAssembly.compile(readFileSync(path.join(build, 'bench/bench_actors.wasm')));
/** Sends before the sender lets others run, and so the size of a batch. */
const SLICE = 1000;

const turn = () => new Promise((resolve) => { setImmediate(resolve); });

/** Sends n messages in slices; the last call counts them, so it ends when all have arrived. */
async function oneWay(runtime, to, message, n) {
    const { value: before } = await runtime.call(to, message, { timeout: 60000 });
    const start = process.hrtime.bigint();
    for (let sent = 0; sent < n; sent += SLICE) {
        for (let k = 0; k < SLICE; k++) runtime.send(to, message);
        await turn();
    }
    const { value: after } = await runtime.call(to, message, { timeout: 60000 });
    if (Number(after) - Number(before) !== n) throw new Error(`${after - before} of ${n} messages arrived`);
    return Number(process.hrtime.bigint() - start) / n;
}

async function roundTrips(runtime, to, message, n) {
    const start = process.hrtime.bigint();
    for (let k = 0; k < n; k++) await runtime.call(to, message);
    return Number(process.hrtime.bigint() - start) / n;
}

async function callsAtOnce(runtime, to, message, n) {
    const start = process.hrtime.bigint();
    for (let sent = 0; sent < n; sent += SLICE) {
        await Promise.all(Array.from({ length: SLICE }, () => runtime.call(to, message)));
    }
    return Number(process.hrtime.bigint() - start) / n;
}

const PEER_WORKER = `
    const { parentPort } = require('node:worker_threads');
    parentPort.on('message', (m) => { if (m.answer) parentPort.postMessage(m); });`;

async function postMessageOneWay(worker, message, n) {
    const start = process.hrtime.bigint();
    for (let sent = 0; sent < n; sent += SLICE) {
        for (let k = 0; k < SLICE; k++) worker.postMessage(message);
        await turn();
    }
    worker.postMessage({ answer: true });
    await once(worker, 'message');
    return Number(process.hrtime.bigint() - start) / n;
}

async function postMessageRoundTrips(worker, n) {
    const start = process.hrtime.bigint();
    for (let k = 0; k < n; k++) {
        worker.postMessage({ answer: true });
        await once(worker, 'message');
    }
    return Number(process.hrtime.bigint() - start) / n;
}

async function main() {
    const runtime = await createRuntime({ wasm });
    const here = await runtime.spawn('bench.counter');
    const worker = await runtime.startWorker({ spawn: [['bench.counter', undefined, { name: 'counter' }]] });
    const there = worker.ref('counter');
    const bare = new Worker(PEER_WORKER, { eval: true });
    const small = { $type: 'bench.Item', value: 1 };
    const large = { $type: 'bench.Item', value: 1, payload: new Uint8Array(56) };
    const rows = [
        ['JavaScript to a C actor, one way, in batches', () => oneWay(runtime, here, small, 200000)],
        ['the same, 64 bytes', () => oneWay(runtime, here, large, 200000)],
        ['JavaScript calls a C actor, one after the other', () => roundTrips(runtime, here, small, 5000)],
        ['the same, 1,000 calls at once, a call', () => callsAtOnce(runtime, here, small, 50000)],
        ['to an actor in a worker, one way, 64 bytes', () => oneWay(runtime, there, large, 100000)],
        ['call to an actor in a worker', () => roundTrips(runtime, there, large, 2000)],
        ['bare postMessage to a worker, one way, 64 bytes', () => postMessageOneWay(bare, large, 50000)],
        ['bare postMessage to a worker and back', () => postMessageRoundTrips(bare, 2000)],
    ];
    const runs = rows.map(() => []);
    for (let round = 0; round < Number(options.rounds); round++) {
        for (const [k, [, run]] of rows.entries()) runs[k].push({ ns: await run() });
    }
    const table = [['under Node', 'ns'], ...rows.map(([name], k) => [name, withSpread(summarise(runs[k]).ns)])];
    console.log(toText(table));
    if (options.write) {
        const text = `${describeMachine()}; ${new Date().toISOString().slice(0, 10)}. Medians of ${options.rounds} runs.`;
        const content = `\n${text}\n\n${toMarkdown(table)}\n`;
        writeFileSync(options.write, replaceBetween(readFileSync(options.write, 'utf8'), 'boundary', content));
    }
    await bare.terminate();
    await runtime.close();
}

await main();
process.exit(0);
