// Runs one program once, and makes medians of many runs.

import { spawnSync } from 'node:child_process';

/** The program said by exit code 3 that it does not have this workload. */
const NOT_HAD = 3;
const TIME_LIMIT_MS = 120000;

/** `workload peer schedulers n ns cpu extra=key:value,...` */
function parseLine(line) {
    const match = /^(\S+) (\S+) (\d+) (\d+) ([\d.]+) ([\d.]+) extra=(\S*)$/.exec(line.trim());
    if (!match) return null;
    const extra = {};
    for (const pair of match[7].split(',').filter(Boolean)) {
        const [key, value] = pair.split(':');
        extra[key] = Number(value);
    }
    return { ns: Number(match[5]), cpu: Number(match[6]), ...extra };
}

/** One run: what the program printed, `null` if it does not have the workload; throws otherwise. */
export function runOnce(argv, environment = {}) {
    const [command, ...args] = argv.map(String);
    const result = spawnSync(command, args, {
        encoding: 'utf8',
        timeout: TIME_LIMIT_MS,
        env: { ...process.env, ...environment },
        maxBuffer: 1 << 24,
    });
    if (result.status === NOT_HAD) return null;
    const said = (result.stdout ?? '').split('\n').map(parseLine).find(Boolean);
    if (result.status !== 0 || !said) {
        const why = result.error?.code === 'ETIMEDOUT' ? `no end after ${TIME_LIMIT_MS / 1000} s`
            : `exit code ${result.status ?? result.signal}: ${(result.stderr ?? '').trim().slice(-300)}`;
        throw new Error(`${args.slice(-3).join(' ')}: ${why}`);
    }
    return said;
}

export function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median, least and spread (half of the range, as a part of the median) of each quantity. */
export function summarise(runs) {
    const summary = {};
    for (const key of Object.keys(runs[0])) {
        const values = runs.map((run) => run[key]).filter(Number.isFinite);
        const middle = median(values);
        const [least, most] = [Math.min(...values), Math.max(...values)];
        summary[key] = { median: middle, least, spread: middle > 0 ? (most - least) / 2 / middle : 0 };
    }
    return summary;
}
