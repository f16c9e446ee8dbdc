// How Troupe's figures change as the work grows, and what one unfair actor does to the others.
//
// usage: node bench/scaling.mjs [--rounds N] [--build DIR] [--seconds S] [--write FILE]
//   --rounds N     medians of so many runs (3)
//   --seconds S    how long an open loop lasts, each run once (60); with an actor that floods itself at most 10
//   --write FILE   also writes the tables between the markers `scaling` of FILE
//   --build DIR    where the builds are (build)

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.mjs';
import { runOnce, summarise } from './lib/runs.mjs';
import { number, replaceBetween, toMarkdown, toText, withSpread } from './lib/table.mjs';

const { values: options } = parseArgs({
    options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '60' },
        build: { type: 'string', default: 'build' },
        write: { type: 'string' },
    },
});
const PROGRAM = path.resolve(options.build, 'native-release/bench/troupe_bench');
/** Requests a second of the open loop (openloop.c). */
const RATE = 100000;
/**
 * What one actor that floods itself may add to the others' p99. A request is in two queues, its own way and the reply's, and in each waits for
 * one turn of the flooder at most: 64 messages (`batch`), fewer if those take more than 400 µs. Needs a quiet machine: whoever else
 * wants the processor is in these latencies, too.
 */
const FLOOD_BOUND_US = 200;

const count = (n) => n.toLocaleString('en-US');

function measure(workload, n, schedulers, rounds = Number(options.rounds)) {
    const runs = [];
    for (let round = 0; round < rounds; round++) {
        runs.push(runOnce([PROGRAM, workload, n, schedulers]));
        process.stderr.write('.');
    }
    return summarise(runs);
}

function messages() {
    const rows = [['actors in a ring', 'ns a hop, 1 scheduler', 'ns a hop, 2 schedulers']];
    for (const actors of [2, 10, 100, 1000, 10000, 100000, 1000000]) {
        const hops = Math.max(4e6, 4 * actors);
        const cells = [1, 2].map((schedulers) => withSpread(measure(`threadring:${actors}`, hops, schedulers).ns));
        rows.push([count(actors), ...cells]);
    }
    return rows;
}

function memory() {
    const rows = [['idle actors', 'bytes (RSS) an actor', 'ns a spawn']];
    for (const actors of [1e3, 1e4, 1e5, 1e6, 1e7]) {
        const { ns, bytes } = measure('idle', actors, 1);
        rows.push([count(actors), bytes ? number(bytes.median) : '', withSpread(ns)]);
    }
    return rows;
}

function timers() {
    const rows = [['timers within 1 s', 'CPU ns a timer', 'ns to arm one', 'latest after due, ms']];
    for (const n of [1e3, 1e4, 1e5, 1e6]) {
        const { cpu, arm_ns: arm, late_ms: late } = measure('timers', n, 1);
        rows.push([count(n), withSpread(cpu), number(arm.median), number(late.median)]);
    }
    return rows;
}

/** Each of n actors is watched by one, has a name, or is in one group; the ends are part of it. */
function relations() {
    const kinds = ['monitors', 'names', 'groups'];
    const rows = [['actors, CPU ns of each', 'monitored, and its end', 'named, looked up', 'in one group']];
    for (const n of [1e3, 1e4, 1e5, 1e6]) {
        rows.push([count(n), ...kinds.map((kind) => withSpread(measure(kind, n, 1).cpu))]);
    }
    return rows;
}

function openLoop() {
    const rows = [['100,000 requests a second, latency in µs', 'p50', 'p99', 'p99.9', 'largest']];
    const p99 = {};
    for (const flooders of [0, 1]) {
        const seconds = flooders ? Math.min(10, Number(options.seconds)) : Number(options.seconds);
        for (const schedulers of [1, 2]) {
            const result = measure(`openloop:${flooders}`, RATE * seconds, schedulers, 1);
            const name = `${schedulers} scheduler${schedulers > 1 ? 's' : ''}${flooders ? ', an actor floods itself' : ''}`;
            const cells = ['p50_us', 'p99_us', 'p999_us', 'max_us'].map((key) => number(result[key].median));
            rows.push([name, ...cells]);
            p99[`${flooders}/${schedulers}`] = result.p99_us.median;
        }
    }
    for (const schedulers of [1, 2]) {
        const added = p99[`1/${schedulers}`] - p99[`0/${schedulers}`];
        const verdict = added <= FLOOD_BOUND_US ? 'kept' : 'exceeded';
        rows.push([`added by the flood, at most ${FLOOD_BOUND_US}, ${schedulers} scheduler${schedulers > 1 ? 's' : ''}`,
            '', `${number(added)} (${verdict})`, '', '']);
    }
    return rows;
}

const tables = [messages, memory, timers, relations, openLoop].map((make) => {
    const table = make();
    console.log(`\n${toText(table)}`);
    return table;
});
if (options.write) {
    const text = `${describeMachine()}; ${new Date().toISOString().slice(0, 10)}. Medians of ${options.rounds} runs.`;
    const content = [text, ...tables.map(toMarkdown)].join('\n\n');
    writeFileSync(options.write, replaceBetween(readFileSync(options.write, 'utf8'), 'scaling', `\n${content}\n`));
}
