// The engine: one instance of the wasm module, and the loop that steps it. Its client is whoever writes
// operations and reads events: the runtime (runtime.mjs), or a port to one (worker.mjs). A client has
//   takeOps()        the next batch of operations, which may be empty and is good until the next one is written
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

/** `options`: name, sliceMs, log, actorsMax, mailboxMessages, heartbeatMs, patienceMs. */
export function makeEngine(module, client, options) {
  let timer = null;
  let timerAt = Infinity;
  const ticker = new Ticker(tick);

  const bytesAt = (at, length) => new Uint8Array(wasm.memory.buffer, at >>> 0, length);
  const textAt = (at, length = bytesAt(at).indexOf(0)) => textOf(bytesAt(at, length));
  const wasm = new WebAssembly.Instance(module, {
    env: { emscripten_notify_memory_growth() {} },
    troupe: {
      now,
      entropy(at, length) {
        crypto.getRandomValues(bytesAt(at, length));
        return 0;
      },
      log: (level, who, whoLength, at, length) => options.log(level, textAt(who, whoLength), textAt(at, length)),
      abandon() {
        throw ABANDON;
      },
      fatal(at, length) {
        throw new Error(textAt(at, length));
      },
    },
  }).exports;

  function fill(batch) {
    const at = wasm.batch(batch.length);
    if (at === 0 && batch.length > 0) {
      throw new RangeError('out of memory');
    }
    bytesAt(at, batch.length).set(batch);
  }

  function takeEvents() {
    const at = wasm.events();
    const length = wasm.events_length();
    if (length > 0) {
      client.pushEvents(bytesAt(at, length).slice());
    }
  }

  // An actor that called trp_abort left the step by an exception; what was posted is posted, so step again.
  function step(deadline) {
    for (;;) {
      try {
        return wasm.step(STEP_MESSAGES, deadline);
      } catch (thrown) {
        if (thrown !== ABANDON) {
          throw thrown;
        }
        wasm.recover();
      }
    }
  }

  // Steps until the slice is over or nothing is left to do; returns what the last step answered.
  function slice(deadline) {
    for (;;) {
      if (!client.drain(deadline)) {
        return MORE;
      }
      fill(client.takeOps());
      const result = step(deadline);
      takeEvents();
      if (result === DONE) {
        client.drain(Infinity);
        return result;
      }
      const isBusy = result === MORE || client.hasWork();
      if (!isBusy || now() >= deadline) {
        return isBusy ? MORE : result;
      }
    }
  }

  function tick() {
    try {
      const result = slice(now() + options.sliceMs);
      if (result === MORE) {
        ticker.arm();
      } else if (result === DONE) {
        close();
        wasm.destroy();
        client.stopped();
      } else {
        sleep();
      }
    } catch (cause) {
      close();
      client.crashed(new RuntimeCrashedError(`the wasm module failed: ${cause?.message}`, { cause }));
    }
  }

  // One timer, for the earliest deadline, touched only when that moves. In Node it lets the process end if nobody
  // waits for anything.
  function sleep() {
    const at = wasm.deadline();
    if (at !== timerAt) {
      clearTimeout(timer);
      timerAt = at;
      timer = at === Infinity ? null : setTimeout(() => {
        timerAt = Infinity;
        ticker.arm();
      }, Math.min(Math.max(Math.ceil(at - now()), 0), TIMER_MAX));
    }
    timer?.[client.isAwaited() ? 'ref' : 'unref']?.();
  }

  /** Stops the loop at once. */
  function close() {
    ticker.close();
    clearTimeout(timer);
  }

  wasm._initialize?.();
  fill(encoder.encode(options.name));
  const { actorsMax = 0, mailboxMessages = 0, heartbeatMs = 0, patienceMs = 0 } = options;
  const error = wasm.create(actorsMax, mailboxMessages, heartbeatMs, patienceMs);
  if (error) {
    throw errorOf(error, `cannot create the runtime: ${textAt(wasm.error_text(error))}`,
      { hint: 'a node name is 1 to 63 printable ASCII characters' });
  }
  takeEvents();
  return {
    close,
    version: textAt(wasm.version()),
    get ticks() { return ticker.count; },
    /** Asks for a tick. */
    wake: () => ticker.arm(),
  };
}
