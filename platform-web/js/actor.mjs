// JavaScript actors. The mailbox is in the core; here is the running activation: the messages that were handed
// over together, worked off one by one, with a pause wherever a handler returns a promise.
import { ClosedError, NoProcessError, TroupeError, numberOf, reasonNumbers, reasonOf } from './errors.mjs';
import { EVENT, OP, RecordReader } from './record.mjs';
import { textOf, makeRef } from './cbor.mjs';

const isPromise = (value) => typeof value?.then === 'function';

/** A request that its receiver took to answer later, once. If nobody answers, the end of the actor does. */
function takeRequest(actor, { handle, from }) {
  const answer = (write) => {
    if (!handle) {
      throw new TroupeError('state', 'the request is answered already');
    }
    write();
    handle = 0;
  };
  return {
    from,
    reply: (value) => answer(() => actor.runtime.putBody(actor.key, OP.REPLY, handle, 0, undefined, value)),
    /** The caller's promise is rejected with this text and code (a positive number). */
    reject: (text, code = 1) => answer(() => actor.put(OP.REPLY_ERROR, handle, code, 0, 0, String(text))),
  };
}

/** What a behaviour's callbacks get as `ctx`. */
export class Context {
  #actor;

  constructor(actor) {
    this.#actor = actor;
  }

  get self() { return this.#actor.ref; }
  get runtime() { return this.#actor.runtime; }
  /** Who asked, while a request is handled; else null. */
  get from() { return this.#actor.current?.from ?? null; }
  get tag() { return this.#actor.current?.tag ?? 0; }

  send(to, message, options) { this.#actor.runtime.sendAs(this.#actor.port, to, message, options); }
  call(to, message, options) { return this.#actor.runtime.callAs(this.#actor, to, message, options); }
  spawn(behaviour, args, options) { return this.#actor.runtime.spawn(behaviour, args, options); }
  whereis(name) { return this.#actor.runtime.whereis(name); }

  /** Tells `down` of this behaviour when `ref` ends. */
  monitor(ref) { return this.#actor.monitor(ref); }

  /** Takes the request being handled, to answer it later. Call it before the first `await`. */
  take() {
    const { current } = this.#actor;
    if (!current?.handle) {
      throw new TroupeError('state', 'there is no request to take');
    }
    const request = takeRequest(this.#actor, current);
    current.handle = 0;
    return request;
  }

  /** Ends this actor when the running callback is through: in good order, or with a reason. */
  stop(reason = 'normal') { this.#actor.ending ??= reasonNumbers(reason); }
}

export class Actor {
  ref = null;
  port = 0;           // of its operations; main's (0) once the actor has ended
  ended = false;
  ending = null;      // a reason, when it is to end itself
  current = null;     // the message being handled
  pending = new Set(); // ids of promises that end with the actor
  monitors = new Map();
  #batch = null;
  #onInit;

  constructor(runtime, key, behaviour) {
    this.runtime = runtime;
    this.key = this.port = key;
    this.behaviour = behaviour;
    this.ctx = new runtime.Context(this);
  }

  put(...record) {
    this.runtime.put(this.port, ...record);
  }

  monitor(ref) {
    const id = this.runtime.nextId();
    this.monitors.set(id, ref);
    this.put(OP.MONITOR, id, 0, 0, 0, this.runtime.target(ref));
    const cancel = () => this.monitors.delete(id) && this.put(OP.DEMONITOR, id);
    return Object.freeze({ id, ref, cancel });
  }

  /** Runs `init`; `done(error)` is called once, when it has succeeded or failed. */
  start(ref, args, done) {
    this.ref = ref;
    this.#onInit = done;
    this.#run(() => this.behaviour.init?.(args, this.ctx), (state) => {
      this.ctx.state = state;
      this.#initialised();
      this.#finish();
    });
  }

  #initialised(error) {
    this.#onInit?.(error);
    this.#onInit = null;
  }

  /** The core hands over messages. */
  activate(bytes) {
    this.#batch = new RecordReader(bytes);
  }

  /** Works on the activation until the clock passes `deadline`. False if it has to go on later. */
  work(deadline) {
    while (this.#batch && !this.ended) {
      const record = this.#batch.next();
      if (!record || this.ending) {
        this.#finish();
        return true;
      }
      if (this.#handle(record)) {
        return true;
      }
      if (performance.now() >= deadline) {
        return false;
      }
    }
    return true;
  }

  // True if the handler returned a promise: then the actor goes on when that settles.
  #handle(record) {
    if (record.code === EVENT.MESSAGE) {
      return this.#receive(record);
    }
    const reason = reasonOf(record.value, record.number, textOf(record.a));
    if (record.code === EVENT.ASKED) {
      this.ending = [record.value, record.number, reason.text];
      return false;
    }
    const ref = this.monitors.get(record.id);
    if (!this.monitors.delete(record.id) || !this.behaviour.down) {
      return false;
    }
    return this.#run(() => this.behaviour.down({ id: record.id, ref, reason }, this.ctx), () => {});
  }

  #receive(record) {
    const { extra, number } = record;
    const current = { handle: extra, tag: number, from: extra ? makeRef(textOf(record.b)) : null };
    this.current = current;
    const receive = () =>
      this.behaviour.receive(this.runtime.types.read(record.value, record.reader()), this.ctx);
    return this.#run(receive, (result) => {
      if (current.handle) {
        this.runtime.putBody(this.key, OP.REPLY, current.handle, 0, undefined, result);
      }
      this.current = null;
    });
  }

  // Calls `callback`, then `after` with its result: at once, or when the promise that it returned settles.
  #run(callback, after) {
    try {
      const result = callback();
      if (!isPromise(result)) {
        after(result);
        return false;
      }
      result.then((value) => this.#resume(() => after(value)), (error) => this.#resume(() => { throw error; }));
    } catch (error) {
      this.#fail(error);
      return false;
    }
    return true;
  }

  #resume(after) {
    if (this.ended) {
      return;
    }
    try {
      after();
    } catch (error) {
      this.#fail(error);
    }
    this.runtime.resume(this);
  }

  #fail(error) {
    this.current = null;
    if (this.ended) {
      return;
    }
    this.#initialised(error);
    this.ending ??= [5, numberOf('exit'), String(error?.message ?? error)];
    this.runtime.reportError(error, this);
    if (!this.#batch) {
      this.#finish();
    }
  }

  #finish() {
    this.#batch = null;
    const [kind, code, text] = this.ending ?? [0, 0, ''];
    this.put(OP.DONE, 0, this.ending ? 1 : 0, kind, code, text);
  }

  /** The actor is gone from the core: settles what is left of it. */
  end(reason) {
    this.ended = true;
    this.port = 0;
    this.#batch = null;
    this.#initialised(new NoProcessError('the actor ended during init', { reason }));
    for (const id of this.pending) {
      this.runtime.settle(id, new ClosedError('the calling actor has ended', { reason }));
    }
    if (reason.kind !== 'killed') {
      const stop = async () => this.behaviour.stop?.(reason, this.ctx);
      stop().catch((error) => this.runtime.reportError(error, this));
    }
  }
}
