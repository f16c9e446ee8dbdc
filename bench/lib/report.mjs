// From summaries to the tables that people read.

import { FLOOR_TITLES, FLOOR_UNITS } from './workloads.mjs';
import { number, withSpread } from './table.mjs';

const EXTRA_TITLES = {
    'idle/bytes': 'bytes (RSS) of an idle actor, of 1,000,000',
    'idle10m/bytes': 'the same, of 10,000,000',
    'timers/late_ms': 'latest timer after due, ms',
};

const LIMIT_UNITS = { bytes: 'bytes', late_ms: 'ms late', ns: 'ns' };

const OWN = new Set(['troupe', 'wasm']);

export const cellKey = (workload, schedulers, peer) => `${workload}/${schedulers}/${peer}`;

export function rowName(workload, schedulers) {
    const suffix = workload.schedulers.length > 1 ? ` (${schedulers})` : '';
    return workload.title + suffix;
}

function eachRow(workloads, make) {
    return workloads.flatMap((workload) => workload.schedulers.map((schedulers) => make(workload, schedulers)));
}

function rivals(results, workload, schedulers, quantity) {
    return results.peers
        .filter((peer) => !OWN.has(peer.name))
        .map((peer) => [peer.name, results.cells[cellKey(workload.name, schedulers, peer.name)]?.[quantity]?.median])
        .filter(([, value]) => value > 0)
        .sort((a, b) => a[1] - b[1]);
}

/** "4.2× tokio, wants 4: met" */
function verdict(ratio, name, wanted) {
    return `${number(ratio)}× ${name}, wants ${wanted}: ${ratio >= wanted ? 'met' : 'missed'}`;
}

/** What the targets say: how far Troupe is ahead of the peer, or of its own figure for another workload. */
function verdicts(results, workload, schedulers, quantity, own, others) {
    const said = [];
    for (const [peer, times] of Object.entries(workload.target ?? {})) {
        const value = others.find(([name]) => name === peer)?.[1];
        if (value) said.push(verdict(value / own, peer, times));
    }
    for (const [other, times] of Object.entries(workload.ahead ?? {})) {
        const value = results.cells[cellKey(other, schedulers, 'troupe')]?.[quantity]?.median;
        if (value) said.push(verdict(value / own, other, times));
    }
    for (const [measure, most] of Object.entries(workload.limit ?? {})) {
        const value = results.cells[cellKey(workload.name, schedulers, 'troupe')]?.[measure]?.median;
        if (value) said.push(`${number(value)} ${LIMIT_UNITS[measure]}, wants ${most}: ${value <= most ? 'met' : 'missed'}`);
    }
    return said.join('; ');
}

/** How far Troupe is ahead of the best peer, and whether the targets are met. */
function lead(results, workload, schedulers) {
    const quantity = workload.compares ?? 'ns';
    const own = results.cells[cellKey(workload.name, schedulers, 'troupe')]?.[quantity]?.median;
    if (!own) return ['', ''];
    const others = rivals(results, workload, schedulers, quantity);
    const best = others.length === 0 ? '' : `${number(others[0][1] / own)}× ${others[0][0]}`;
    return [best, verdicts(results, workload, schedulers, quantity, own, others)];
}

/** The table of wall or CPU nanoseconds an operation; `bold` marks the best of a row. */
export function timeTable(results, quantity, bold) {
    const extra = quantity === 'ns' ? ['ahead of the best peer', 'target'] : [];
    const head = [quantity === 'ns' ? 'wall ns' : 'CPU ns', ...results.peers.map((peer) => peer.name), ...extra];
    const rows = eachRow(results.workloads, (workload, schedulers) => {
        const cells = results.peers.map((peer) => results.cells[cellKey(workload.name, schedulers, peer.name)]?.[quantity]);
        const least = Math.min(...cells.filter(Boolean).map((cell) => cell.median));
        if (!Number.isFinite(least)) return null;
        const shown = cells.map((cell) => {
            if (!cell) return '';
            const text = quantity === 'ns' ? withSpread(cell) : number(cell.median);
            return cell.median === least ? bold(text) : text;
        });
        return [rowName(workload, schedulers), ...shown, ...(extra.length ? lead(results, workload, schedulers) : [])];
    }).filter(Boolean);
    return [head, ...rows];
}

/** Bytes an idle actor takes, and how late the last timer came. */
export function extraTable(results) {
    const rows = [['', ...results.peers.map((peer) => peer.name)]];
    for (const workload of results.workloads.filter((each) => each.measures)) {
        const title = EXTRA_TITLES[`${workload.name}/${workload.measures}`];
        const cells = results.peers.map((peer) =>
            results.cells[cellKey(workload.name, 1, peer.name)]?.[workload.measures]);
        if (cells.some(Boolean)) rows.push([title, ...cells.map((cell) => (cell ? number(cell.median) : ''))]);
    }
    return rows;
}

export function floorTable(results) {
    const rows = [['floor', 'ns']];
    for (const unit of Object.keys(FLOOR_UNITS)) {
        const summary = results.floor[unit];
        if (summary) rows.push([FLOOR_TITLES[unit], withSpread(summary.ns)]);
    }
    return rows;
}

/** What the floor's units say one operation must cost at least; `which` is 'median' or 'least'. */
export function floorOf(results, workload, quantity, which) {
    let sum = 0;
    for (const [unit, times] of Object.entries(workload.floor)) {
        if (!results.floor[unit]) return NaN;
        sum += times * results.floor[unit][quantity][which];
    }
    return sum;
}

/**
 * Troupe's distance to the floor, by workload and number of schedulers. With one scheduler CPU time is
 * compared, which other programs disturb less; with two, wall time, or the second would not count.
 */
export function floorRatios(results, which) {
    const ratios = {};
    for (const workload of results.workloads) {
        for (const schedulers of workload.schedulers) {
            const quantity = schedulers === 1 ? 'cpu' : 'ns';
            const floor = floorOf(results, workload, quantity, which);
            for (const peer of ['troupe', 'wasm']) {
                const own = results.cells[cellKey(workload.name, schedulers, peer)]?.[quantity]?.[which];
                if (own && floor) ratios[`${peer}/${workload.name}/${schedulers}`] = own / floor;
            }
        }
    }
    return ratios;
}

export function ratioTable(results) {
    const rows = [['Troupe as a multiple of the floor', 'native', 'wasm']];
    const ratios = floorRatios(results, 'median');
    for (const row of eachRow(results.workloads, (workload, schedulers) => {
        const of = (peer) => number(ratios[`${peer}/${workload.name}/${schedulers}`]);
        return [rowName(workload, schedulers), of('troupe'), of('wasm')];
    })) {
        if (row[1] || row[2]) rows.push(row);
    }
    return rows;
}
