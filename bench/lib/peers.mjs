// Who takes part: how each program is started, and whether it is there at all.

import { existsSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import path from 'node:path';

const JEMALLOC = ['x86_64', 'aarch64']
    .map((machine) => `/usr/lib/${machine}-linux-gnu/libjemalloc.so.2`)
    .find((file) => existsSync(file));

/** Peers that malloc a lot get the allocator their users would give them, where it helps. */
function betterMalloc(workload) {
    return workload !== 'idle' && JEMALLOC ? { LD_PRELOAD: JEMALLOC } : {};
}

function firstLine(command, ...args) {
    try {
        return execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' }).split('\n')[0];
    } catch {
        return '';
    }
}

function packageVersion(name) {
    const version = firstLine('dpkg-query', '-W', '-f', '${Version}', name);
    return version.replace(/^\d+:/, '').replace(/[+~-].*$/, '');
}

/** Every program of the comparison, in the order of the table's columns. */
export function allPeers(directories) {
    const peerFile = (name) => path.join(directories.peers, name);

    const source = (name) => path.join(directories.bench, 'peers/node', name);
    const simple = (name, file, environment) => ({
        name,
        needs: file,
        argv: (workload, n, schedulers) => [file, workload, n, schedulers],
        environment: environment ?? (() => ({})),
    });
    const script = (name, file) => ({
        name,
        needs: file,
        argv: (workload, n, schedulers) => [process.execPath, file, workload, n, schedulers],
        environment: () => ({}),
    });
    return [
        { ...simple('troupe', directories.troupe), title: 'Troupe' },
        {
            ...script('wasm', directories.wasm),
            title: 'Troupe, wasm in Node',
            argv: (workload, n, schedulers) => {
                const hasRoutines = workload === 'routines' || workload === 'switch';
                const file = hasRoutines ? directories.wasmRoutines : directories.wasm;
                return [process.execPath, file, workload, n, schedulers];
            },
        },
        {
            name: 'erlang',
            title: () => `Erlang/OTP ${packageVersion('erlang-base')}`,
            needs: peerFile('bench.beam'),
            argv: (workload, n, schedulers) => [
                '/usr/bin/erl', '+S', `${schedulers}:${schedulers}`, '+P', 4000000, '-noshell',
                '-pa', directories.peers, '-run', 'bench', 'main', workload, n, schedulers,
            ],
            environment: () => ({}),
        },
        { ...simple('go', peerFile('go-bench')), title: () => firstLine('/usr/bin/go', 'version').split(' ')[2]?.replace('go', 'Go ') },
        {
            ...simple('caf', peerFile('caf-bench'), betterMalloc),
            title: () => `CAF ${packageVersion('libcaf-core0.17')}`,
        },
        {
            ...simple('tokio', peerFile('tokio-bench'), betterMalloc),
            title: () => `tokio ${packageVersion('librust-tokio-dev')}`,
        },
        { ...simple('crossbeam', peerFile('crossbeam-bench'), betterMalloc), title: 'crossbeam (threads)' },
        { ...script('js', source('js-actors.mjs')), title: 'JavaScript by hand' },
        { ...script('node', source('node-bench.mjs')), title: `Node ${process.version} ports` },
    ].filter((peer) => peer.needs && existsSync(peer.needs));
}

export function titleOf(peer) {
    return (typeof peer.title === 'function' ? peer.title() : peer.title) || peer.name;
}
