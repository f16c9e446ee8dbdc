// Actors as a JavaScript programmer would write them by hand for speed: a mailbox is an array, a
// run queue is an array, one turn of the event loop runs until nothing is runnable. One thread.
//
// Usage: node js-actors.mjs WORKLOAD N 1

import { begin, choose, print, residentBytes } from './report.mjs';

const SLICE = 100;
let runnable = [];

class Actor {
    constructor(state, handle) {
        this.state = state;
        this.handle = handle;
        this.mailbox = [];
        this.scheduled = false;
    }

    send(message) {
        this.mailbox.push(message);
        if (!this.scheduled) {
            this.scheduled = true;
            runnable.push(this);
        }
    }

    run() {
        const batch = this.mailbox;
        this.mailbox = [];
        for (const message of batch) this.handle(this, message);
    }
}

const spawn = (state, handle) => new Actor(state, handle);

function runAll() {
    while (runnable.length > 0) {
        const batch = runnable;
        runnable = [];
        for (const actor of batch) {
            actor.run();
            actor.scheduled = actor.mailbox.length > 0;
            if (actor.scheduled) runnable.push(actor);
        }
    }
}

function nextSeed(seed) {
    return (Math.imul(seed, 1103515245) + 12345) >>> 0;
}

function pingpong(n) {
    const pong = spawn(null, (self, m) => m.from.send({ tag: 'pong', value: m.value }));
    const ping = spawn(null, (self, m) => {
        if (m.value > 1) pong.send({ tag: 'ping', value: m.value - 1, from: self });
    });
    pong.send({ tag: 'ping', value: n, from: ping });
    runAll();
}

function fanin(n, senders) {
    let counted = 0;
    const target = spawn(null, () => counted++);
    for (let s = 0; s < senders; s++) {
        // A producer sends in slices, for the array of a mailbox must not grow without bound.
        const producer = spawn({ left: n / senders }, (self) => {
            for (let k = 0; k < SLICE && self.state.left > 0; k++) {
                target.send({ tag: 'inc', value: self.state.left-- });
            }
            if (self.state.left > 0) self.send({ tag: 'start' });
        });
        producer.send({ tag: 'start' });
    }
    runAll();
    if (counted !== n) throw new Error(`counted ${counted} of ${n}`);
}

function threadring(n) {
    const ring = [];
    for (let k = 0; k < 503; k++) {
        ring.push(spawn(k, (self, m) => {
            if (m.value > 0) ring[(self.state + 1) % 503].send({ tag: 'token', value: m.value - 1 });
        }));
    }
    ring[0].send({ tag: 'token', value: n });
    runAll();
}

function forkjoin(n) {
    let live = n;
    for (let k = 0; k < n; k++) spawn(null, () => live--).send({ tag: 'inc', value: k });
    runAll();
    if (live !== 0) throw new Error(`${live} actors never ran`);
}

function big(n) {
    const all = [];
    const ping = (self) => {
        self.state.seed = nextSeed(self.state.seed);
        all[(self.state.seed >>> 8) % all.length].send({ tag: 'ping', value: 0, from: self });
    };
    const handle = (self, m) => {
        if (m.tag === 'ping') m.from.send({ tag: 'pong', value: m.value });
        else if (m.tag === 'start' || --self.state.left > 0) ping(self);
    };
    for (let k = 0; k < 120; k++) all.push(spawn({ seed: k * 7919 + 1, left: n / 120 }, handle));
    for (const actor of all) actor.send({ tag: 'start' });
    runAll();
}

function idle(n) {
    const handle = (self, m) => m.from.send({ tag: 'alive' });
    const resident = residentBytes();
    const end = begin();
    const all = [];
    for (let k = 0; k < n; k++) all.push(spawn(null, handle));
    const took = end();
    const bytes = Math.round((residentBytes() - resident) / n);
    all[n - 1].send({ from: all[0] });
    return { took, extra: `bytes:${bytes}` };
}

function skynet(n) {
    let result = null;
    const node = (parent, number, size) => spawn({ sum: 0, left: 10 }, (self, m) => {
        if (m.tag === 'start' && size === 1) {
            parent.send({ tag: 'sum', value: number });
        } else if (m.tag === 'start') {
            for (let k = 0; k < 10; k++) {
                node(self, number + k * size / 10, size / 10).send({ tag: 'start' });
            }
        } else {
            self.state.sum += m.value;
            if (--self.state.left === 0) parent.send({ tag: 'sum', value: self.state.sum });
        }
    });
    node(spawn(null, (self, m) => { result = m.value; }), 0, n).send({ tag: 'start' });
    runAll();
    if (result !== n * (n - 1) / 2) throw new Error(`wrong sum ${result}`);
}

const { workload, run, n, schedulers } = choose('js-actors', {
    'pingpong/1': pingpong,
    'counting/1': (n) => fanin(n, 1),
    'threadring/1': threadring,
    'forkjoin/1': forkjoin,
    'big/1': big,
    'fanin/1': (n) => fanin(n, 100),
    'skynet/1': skynet,
    'idle/1': idle,
});
const end = begin();
const result = run(n);
print(workload, 'js', schedulers, n, result?.took ?? end(), result?.extra);
