// What is measured: one entry per workload, with the number of operations that each peer can do in
// about half a second, the target, and the floor that the figure is compared with.
//
//   n          operations; `default` or by peer
//   target     the peer to beat and by what factor; by number of schedulers where they differ
//   floor      how many of the floor's units one operation is made of, at the very least
//   program    by peer, the workload to ask the program for, if it has another name
//   peers      who runs it, if not everybody
//   not        who does not run it, though it could

export const WORKLOADS = [
    {
        name: 'pingpong',
        title: 'ping-pong, a round trip',
        schedulers: [1, 2],
        n: { default: 2e6, troupe: 8e6, wasm: 4e6, erlang: 1e6, caf: 5e5, node: 2e4 },
        target: { tokio: 4 },
        floor: { exchange: 2, pool: 2, call: 2 },
    },
    {
        name: 'routines',
        title: 'ping-pong of routines, a round trip',
        program: { go: 'pingpong' },
        peers: ['troupe', 'go'],
        schedulers: [1, 2],
        n: { default: 2e6, troupe: 4e6 },
        target: { go: 3 },
        floor: { exchange: 2, pool: 2, call: 4 },
    },
    {
        name: 'counting',
        title: 'counting, a message one way',
        schedulers: [1, 2],
        n: { default: 1e7, troupe: 2e7, erlang: 3e6, caf: 2e6, node: 2e5 },
        target: { go: 2.5 },
        floor: { exchange: 1, pool: 1, call: 1 },
    },
    {
        name: 'threadring',
        title: 'thread ring of 503, a hop',
        schedulers: [1, 2],
        n: { default: 4e6, troupe: 1e7, erlang: 2e6, caf: 1e6, node: 1e5 },
        target: { tokio: 4 },
        floor: { exchange: 1, pool: 1, call: 1 },
    },
    {
        name: 'forkjoin',
        title: 'fork-join: spawn, one message, exit',
        schedulers: [1, 2],
        n: { default: 1e6, troupe: 3e6, caf: 3e5 },
        target: { go: 7 },
        floor: { exchange: 1, pool: 2, call: 2 },
    },
    {
        name: 'big',
        title: 'big: 120 actors, ping and pong',
        schedulers: [1, 2],
        n: { default: 2400000, troupe: 6000000, caf: 600000 },
        target: { tokio: 3.5 },
        floor: { exchange: 2, pool: 2, call: 2 },
    },
    {
        name: 'fanin',
        title: 'fan-in 100 to 1, a message',
        schedulers: [1, 2],
        n: { default: 5e6, troupe: 2e7, erlang: 2e6, caf: 2e6, node: 2e5 },
        target: { go: 2.5 },
        floor: { exchange: 1, pool: 1, call: 1 },
    },
    {
        name: 'request',
        title: 'request and reply, empty mailbox',
        schedulers: [1, 2],
        n: { default: 1e6, troupe: 4e6, caf: 5e5 },
        floor: { exchange: 2, pool: 2, call: 2 },
    },
    {
        name: 'request10k',
        title: 'the same, 10,000 other messages waiting',
        schedulers: [1, 2],
        n: { default: 1e6, troupe: 4e6, caf: 2e3 },
        floor: { exchange: 2, pool: 2, call: 2 },
    },
    {
        name: 'request1m',
        title: 'the same, 1,000,000 other messages waiting',
        schedulers: [1],
        n: { default: 1e6, troupe: 4e6 },
        floor: { exchange: 2, pool: 2, call: 2 },
    },
    {
        name: 'skynet',
        title: 'skynet: a tree of 1,111,111 actors, a leaf',
        schedulers: [1, 2],
        n: { default: 1e6 },
        target: { go: 5 },
        floor: { exchange: 2, pool: 3, call: 3 },
        warm: true,
    },
    {
        name: 'idle',
        title: 'spawn 1,000,000 actors that stay idle, each',
        schedulers: [1],
        n: { default: 1e6, node: 2e4 },
        measures: 'bytes',
        floor: { pool: 1, call: 1, touch: 0.05 },
        warm: true,
    },
    {
        name: 'idle10m',
        title: 'spawn 10,000,000 of them, each',
        program: { troupe: 'idle' },
        peers: ['troupe'],
        schedulers: [1],
        n: { default: 1e7 },
        measures: 'bytes',
        floor: { pool: 1, call: 1, touch: 0.05 },
        warm: true,
    },
    {
        name: 'timers',
        title: '1,000,000 timers within 1 s, each',
        schedulers: [1],
        n: { default: 1e6 },
        measures: 'late_ms',
        compares: 'cpu',
        // Alone on its thread, the benchmark's host in wasm spins until the next timer.
        not: ['wasm'],
        floor: { pool: 1, call: 1, miss: 1 },
    },
    {
        name: 'mpsc',
        title: 'channel of 1,024, four producers, an item',
        schedulers: [1, 2],
        n: { default: 5e6, tokio: 2e6 },
        floor: { exchange: 1 },
    },
    {
        name: 'spsc',
        title: 'channel of 1,024, one producer, an item',
        schedulers: [1, 2],
        n: { default: 5e6, tokio: 2e6 },
        floor: { exchange: 1 },
    },
    {
        name: 'unbounded',
        title: 'channel without bound, an item',
        schedulers: [1, 2],
        n: { default: 5e6, erlang: 2e6, caf: 2e6 },
        floor: { exchange: 1, pool: 1 },
    },
];

/** The floor's units and how often each is done. */
export const FLOOR_UNITS = {
    exchange: 5e7,
    shared: 2e7,
    handover: 1e6,
    pool: 5e7,
    malloc: 2e7,
    call: 5e7,
    miss: 2e6,
    touch: 1e5,
    wake: 2e4,
};

export const FLOOR_TITLES = {
    exchange: 'atomic exchange, own line',
    shared: 'atomic exchange, two threads at it',
    handover: 'line handed to the other core and back',
    pool: '64 bytes from an own free list and back',
    malloc: '64 bytes from malloc and back',
    call: 'call through a pointer',
    miss: 'load that misses every cache',
    touch: 'first write to a page',
    wake: 'futex handed over and back',
};
