// Runs Troupe and every installed peer side by side and prints one table.
//
// usage: node bench/run.mjs [options]
//   --rounds N        rounds, interleaved: in each, every program runs each workload once (5)
//   --only A,B        these workloads only
//   --peers A,B       these peers only; Troupe and the floor always run
//   --own             no peers: Troupe and the floor
//   --scale X         operations as a multiple of the usual number (1)
//   --write FILE      also writes the tables between the markers of FILE (docs/performance.md)
//   --json FILE       also writes every summary as JSON
//   --check FILE      compares Troupe's distances to the floor with those of FILE, fails beyond 15 %
//   --save FILE       writes the distances that --check will expect
//   --build DIR       where the builds are (build)
//
// Exit code 0: every run went well; 1: a program failed or --check found a slow figure; 2: usage.

import { readFileSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check, save } from './lib/check.mjs';
import { describeMachine, loadBefore } from './lib/machine.mjs';
import { allPeers, titleOf } from './lib/peers.mjs';
import { cellKey, extraTable, floorTable, ratioTable, timeTable } from './lib/report.mjs';
import { runOnce, summarise } from './lib/runs.mjs';
import { replaceBetween, toMarkdown, toText } from './lib/table.mjs';
import { FLOOR_UNITS, WORKLOADS } from './lib/workloads.mjs';

const BENCH = path.dirname(fileURLToPath(import.meta.url));
/** Touched before a run that takes much memory, so that the machine has it at hand: 3 GiB. */
const WARM_PAGES = 3 * 2 ** 18;

function usage(message) {
    console.error(`bench/run.mjs: ${message}`);
    process.exit(2);
}

function readOptions() {
    const text = (fallback) => ({ type: 'string', ...(fallback ? { default: fallback } : {}) });
    try {
        const { values } = parseArgs({
            options: {
                rounds: text('5'), only: text(), peers: text(), own: { type: 'boolean' }, scale: text('1'),
                write: text(), json: text(), check: text(), save: text(), build: text('build'),
            },
        });
        if (!(Number(values.rounds) >= 1)) usage('--rounds wants a number from 1 up');
        if (!(Number(values.scale) > 0)) usage('--scale wants a number above 0');
        return values;
    } catch (error) {
        return usage(error.message);
    }
}

function pick(all, names, what) {
    if (!names) return all;
    const wanted = names.split(',');
    for (const name of wanted) {
        if (!all.some((each) => each.name === name)) {
            usage(`no ${what} is called ${name}; there are ${all.map((each) => each.name).join(', ')}`);
        }
    }
    return all.filter((each) => wanted.includes(each.name));
}

function directoriesOf(build) {
    return {
        bench: BENCH,
        peers: path.resolve(build, 'bench/peers'),
        troupe: path.resolve(build, 'native-release/bench/troupe_bench'),
        wasm: path.resolve(build, 'web-release/bench/troupe_bench.js'),
        wasmRoutines: path.resolve(build, 'web-release/bench/troupe_bench_routines.js'),
    };
}

function choosePeers(options, directories) {
    const installed = allPeers(directories);
    const own = installed.filter((peer) => peer.name === 'troupe' || peer.name === 'wasm');
    if (options.own) return own;
    const others = installed.filter((peer) => !own.includes(peer));
    if (!options.peers) return installed;
    const names = options.peers.split(',').filter((name) => !own.some((peer) => peer.name === name)).join(',');
    return [...own, ...(names ? pick(others, names, 'installed peer') : [])];
}

/** Everything that one round runs: a list of { key, peer, argv, environment, warm }. */
function planRound(workloads, peers, scale) {
    const plan = [];
    for (const workload of workloads) {
        for (const schedulers of workload.schedulers) {
            for (const peer of peers) {
                if (workload.peers && !workload.peers.includes(peer.name)) continue;
                if (workload.not?.includes(peer.name)) continue;
                const usual = workload.n[peer.name] ?? workload.n.default;
                const n = workload.name === 'skynet' ? usual : Math.max(1200, Math.round(usual * scale));
                plan.push({
                    key: cellKey(workload.name, schedulers, peer.name),
                    argv: peer.argv(workload.program?.[peer.name] ?? workload.name, n, schedulers),
                    environment: peer.environment(workload.name),
                    warm: workload.warm,
                });
            }
        }
    }
    return plan;
}

function runRound(plan, floor, scale, runs, failures) {
    for (const [unit, n] of Object.entries(FLOOR_UNITS)) {
        (runs[`floor/${unit}`] ??= []).push(runOnce([floor, unit, Math.round(n * scale), 1]));
    }
    for (const { key, argv, environment, warm } of plan) {
        if (failures.has(key) || runs[key]?.length === 0) continue;
        if (warm) runOnce([floor, 'touch', Math.round(WARM_PAGES * scale), 1]);
        try {
            const result = runOnce(argv, environment);
            runs[key] ??= [];
            if (result) runs[key].push(result);
        } catch (error) {
            failures.set(key, error.message);
        }
        process.stderr.write('.');
    }
}

function measure(options, workloads, peers, directories) {
    const runs = {};
    const failures = new Map();
    const floor = path.join(directories.peers, 'floor-bench');
    const scale = Number(options.scale);
    const plan = planRound(workloads, peers, scale);
    for (let round = 0; round < Number(options.rounds); round++) {
        process.stderr.write(`round ${round + 1} of ${options.rounds} `);
        runRound(plan, floor, scale, runs, failures);
        process.stderr.write('\n');
    }
    const results = { workloads, peers, cells: {}, floor: {}, failures };
    for (const [key, list] of Object.entries(runs)) {
        if (list.length === 0 || failures.has(key)) continue;
        if (key.startsWith('floor/')) results.floor[key.slice(6)] = summarise(list);
        else results.cells[key] = summarise(list);
    }
    return results;
}

function explanation(options, peers, machine, load) {
    return [
        `${peers.map((peer) => `${peer.name}: ${titleOf(peer)}`).join('; ')}.`,
        `${machine}; ${new Date().toISOString().slice(0, 10)}; load before the first run ${load.toFixed(1)}.`,
        `Medians of ${options.rounds} interleaved rounds, ± half of the range; the number in brackets is`,
        'the number of schedulers. Best of each row in bold.',
    ].join('\n');
}

function tablesOf(results, bold) {
    return [
        timeTable(results, 'ns', bold),
        timeTable(results, 'cpu', bold),
        extraTable(results),
        floorTable(results),
        ratioTable(results),
    ].filter((table) => table.length > 1);
}

function writeDocument(file, results, text) {
    const tables = tablesOf(results, (cell) => `**${cell}**`).map(toMarkdown);
    const content = [text, ...tables].join('\n\n');
    writeFileSync(file, replaceBetween(readFileSync(file, 'utf8'), 'figures', `\n${content}\n`));
}

function main() {
    const options = readOptions();
    const directories = directoriesOf(options.build);
    execFileSync(path.join(BENCH, 'peers/build.sh'), [directories.peers], { stdio: 'inherit' });
    const peers = choosePeers(options, directories);
    const workloads = pick(WORKLOADS, options.only, 'workload');
    const [machine, load] = [describeMachine(), loadBefore()];
    console.log(`${machine}\n${peers.map((peer) => `${peer.name}: ${titleOf(peer)}`).join(', ')}`);

    const results = measure(options, workloads, peers, directories);
    for (const table of tablesOf(results, (cell) => cell)) console.log(`\n${toText(table)}`);
    for (const [key, message] of results.failures) console.error(`FAILED ${key}: ${message}`);
    let failed = results.failures.size > 0;

    if (options.json) {
        const { cells, floor } = results;
        writeFileSync(options.json, `${JSON.stringify({ machine, load, cells, floor }, null, 1)}\n`);
    }
    if (options.write) writeDocument(options.write, results, explanation(options, peers, machine, load));
    if (options.save) save(options.save, results);
    if (options.check) failed = !check(options.check, results) || failed;
    process.exit(failed ? 1 : 0);
}

main();
