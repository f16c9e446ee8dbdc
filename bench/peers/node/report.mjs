// The clock and the line that the Node programs print.

const cpuNs = () => {
    const usage = process.cpuUsage();
    return (usage.user + usage.system) * 1e3;
};

const wallNs = () => Number(process.hrtime.bigint());

export const residentBytes = () => process.memoryUsage.rss();

/** Starts a clock; calling what it returns stops it. */
export function begin() {
    const cpu = cpuNs();
    const start = wallNs();
    return () => {
        const wall = wallNs() - start;
        return { wall, cpu: cpuNs() - cpu };
    };
}

export function print(workload, peer, schedulers, n, took, extra = '') {
    const [wall, cpu] = [took.wall / n, took.cpu / n].map((x) => x.toFixed(2));
    console.log(`${workload} ${peer} ${schedulers} ${n} ${wall} ${cpu} extra=${extra}`);
}

/** Reads WORKLOAD N SCHEDULERS and finds the workload, or ends the program with code 2 or 3. */
export function choose(program, workloads) {
    const [workload, n, schedulers] = process.argv.slice(2);
    if (!(Number(n) > 0) || !(Number(schedulers) > 0)) {
        console.error(`usage: ${program} WORKLOAD N SCHEDULERS`);
        process.exit(2);
    }
    const run = workloads[`${workload}/${schedulers}`];
    if (!run) {
        console.error(`${program}: no such workload: ${workload} with ${schedulers} scheduler(s)`);
        process.exit(3);
    }
    return { workload, run, n: Number(n), schedulers: Number(schedulers) };
}
