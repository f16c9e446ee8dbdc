// The engine: one instance of the wasm module, and the loop that steps it. Its client is whoever writes
// operations and reads events: the runtime (runtime.mjs), or a port to one (worker.mjs). A client has
//   takeOps()        the next batch of operations, or null
//   pushEvents(b)    a batch of events
//   drain(deadline)  works on events until then; true if none is left
//   hasWork()        true if takeOps or drain has something to do
//   isAwaited()      true if somebody waits for something: in Node a timer then keeps the process alive
//   crashed(error)   the module has failed; stopped(): the runtime has ended in good order
import { RuntimeCrashedError, errorOf } from './errors.mjs';
import { encoder, textOf } from './cbor.mjs';
import { Ticker } from './ticker.mjs';

const MORE = 1;
const DONE = 3;
const STEP_MESSAGES = 4096; // so that events come out in batches of bounded size
const TIMER_MAX = 2 ** 31 - 1;
const ABANDON = Symbol('abandon');

const now = () => performance.now();

export class Engine {
  #wasm;
  #client;
  #ticker = new Ticker(() => this.#tick());
  #sliceMs;
  #timer = null;
  #timerAt = Infinity;
  #ended = false;

  /** `options`: name, sliceMs, log, actorsMax, mailboxMessages, heartbeatMs, patienceMs. */
  constructor(module, client, options) {
    this.#client = client;
    this.#sliceMs = options.sliceMs;
    const env = { emscripten_notify_memory_growth: () => {} };
    this.#wasm = new WebAssembly.Instance(module, { troupe: this.#imports(options.log), env }).exports;
    this.#wasm._initialize?.();
    this.#fill(encoder.encode(options.name));
    const { actorsMax = 0, mailboxMessages = 0, heartbeatMs = 0, patienceMs = 0 } = options;
    const error = this.#wasm.create(actorsMax, mailboxMessages, heartbeatMs, patienceMs);
    if (error !== 0) {
      throw errorOf(error, `the runtime could not be created: ${this.#text(this.#wasm.error_text(error))}`,
        { hint: 'a node name is 1 to 63 printable ASCII characters' });
    }
    this.#takeEvents();
  }

  get version() {
    return this.#text(this.#wasm.version());
  }

  get ticks() {
    return this.#ticker.count;
  }

  get memory() {
    return this.#wasm.memory.buffer.byteLength;
  }

  /** Asks for a tick. */
  wake() {
    if (!this.#ended) {
      this.#ticker.arm();
    }
  }

  /** Frees everything at once. */
  close() {
    this.#ended = true;
    this.#ticker.close();
    clearTimeout(this.#timer);
  }

  #imports(log) {
    const bytes = (at, length) => new Uint8Array(this.#wasm.memory.buffer, at >>> 0, length);
    return {
      now,
      entropy: (at, length) => {
        crypto.getRandomValues(bytes(at, length));
        return 0;
      },
      log: (level, who, whoLength, at, length) =>
        log(level, textOf(bytes(who, whoLength)), textOf(bytes(at, length))),
      abandon: () => {
        throw ABANDON;
      },
      fatal: (at, length) => {
        throw new Error(textOf(bytes(at, length)));
      },
    };
  }

  #text(at) {
    const bytes = new Uint8Array(this.#wasm.memory.buffer, at);
    return textOf(bytes.subarray(0, bytes.indexOf(0)));
  }

  #fill(batch) {
    const at = this.#wasm.batch(batch.length);
    if (at === 0 && batch.length > 0) {
      throw new RangeError('the wasm module is out of memory');
    }
    new Uint8Array(this.#wasm.memory.buffer, at, batch.length).set(batch);
  }

  #takeEvents() {
    const at = this.#wasm.events();
    const length = this.#wasm.events_length();
    if (length > 0) {
      this.#client.pushEvents(new Uint8Array(this.#wasm.memory.buffer, at, length).slice());
    }
  }

  // An actor that called trp_abort left the step by an exception; what was posted is posted, so step again.
  #step(deadline) {
    for (;;) {
      try {
        return this.#wasm.step(STEP_MESSAGES, deadline);
      } catch (thrown) {
        if (thrown !== ABANDON) {
          throw thrown;
        }
        this.#wasm.recover();
      }
    }
  }

  #tick() {
    const client = this.#client;
    const deadline = now() + this.#sliceMs;
    let result = MORE;
    try {
      do {
        if (!client.drain(deadline)) {
          return this.wake();
        }
        const ops = client.takeOps();
        if (ops) {
          this.#fill(ops);
        }
        result = this.#step(deadline);
        this.#takeEvents();
      } while (result !== DONE && (result === MORE || client.hasWork()) && now() < deadline);
    } catch (cause) {
      this.close();
      return client.crashed(new RuntimeCrashedError(`the wasm module failed: ${cause?.message}`, { cause }));
    }
    if (result === DONE) {
      return this.#finish();
    }
    if (result === MORE || client.hasWork()) {
      return this.wake();
    }
    return this.#sleep(client.isAwaited());
  }

  #finish() {
    this.#client.drain(Infinity);
    this.close();
    this.#wasm.destroy();
    this.#client.stopped();
  }

  // One timer, for the earliest deadline, touched only when that moves.
  #sleep(isAwaited) {
    const at = this.#wasm.deadline();
    if (at !== this.#timerAt) {
      clearTimeout(this.#timer);
      this.#timerAt = at;
      this.#timer = at === Infinity ? null : setTimeout(() => {
        this.#timerAt = Infinity;
        this.wake();
      }, Math.min(Math.max(Math.ceil(at - now()), 0), TIMER_MAX));
    }
    this.#timer?.[isAwaited ? 'ref' : 'unref']?.();
  }
}
