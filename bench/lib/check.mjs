// `make bench-check`: is Troupe as near to the floor as it was when the expected figures were saved?
//
// A distance is Troupe's time as a multiple of the floor's units that the workload is made of
// (workloads.mjs), taken from the least of all rounds on both sides: noise only ever adds. Bytes of
// an idle actor are compared as they are.

import { readFileSync, writeFileSync } from 'node:fs';
import { floorRatios } from './report.mjs';

/** How much farther from the floor than expected is still no failure. */
const TOLERANCE = 0.15;

function distances(results) {
    const all = floorRatios(results, 'least');
    for (const peer of ['troupe', 'wasm']) {
        const bytes = results.cells[`idle/1/${peer}`]?.bytes?.least;
        if (bytes) all[`${peer}/bytes/1`] = bytes;
    }
    return all;
}

/** Keeps what `file` has for workloads that were not run this time. */
export function save(file, results) {
    let before = {};
    try {
        before = JSON.parse(readFileSync(file, 'utf8'));
    } catch (error) {
        if (error.code !== 'ENOENT') throw error;
    }
    const merged = { ...before };
    for (const [key, value] of Object.entries(distances(results))) merged[key] = Number(value.toFixed(2));
    const sorted = Object.fromEntries(Object.entries(merged).sort(([a], [b]) => (a < b ? -1 : 1)));
    writeFileSync(file, `${JSON.stringify(sorted, null, 4)}\n`);
    console.log(`\n${Object.keys(distances(results)).length} distances saved in ${file}`);
}

/** Prints one line per distance that is too large; true if there is none and something was compared. */
export function check(file, results) {
    const expected = JSON.parse(readFileSync(file, 'utf8'));
    const measured = distances(results);
    const names = new Set(results.workloads.map((workload) => workload.name));
    let compared = 0;
    let slow = 0;
    for (const [key, limit] of Object.entries(expected)) {
        const [peer, workload] = key.split('/');
        const wasAsked = names.has(workload === 'bytes' ? 'idle' : workload);
        if (!wasAsked || !results.peers.some((each) => each.name === peer)) continue;
        compared++;
        const value = measured[key];
        if (!(value <= limit * (1 + TOLERANCE))) {
            slow++;
            const change = value ? `${value.toFixed(2)}, ${Math.round((value / limit - 1) * 100)} % more` : 'not measured';
            console.error(`SLOWER ${key}: expected ${limit}, now ${change}`);
        }
    }
    if (compared === 0) console.error(`bench-check: nothing of ${file} was measured; is Troupe built?`);
    console.log(`bench-check: ${compared} distances compared, ${slow} too large`);
    return compared > 0 && slow === 0;
}
