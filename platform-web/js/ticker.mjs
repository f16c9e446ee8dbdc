// One task of the event loop at a time, soon. MessageChannel in pages and workers, setImmediate in Node: a
// chained setTimeout(0) waits 4 ms, a scheduler.yield loop starves timers and input, a microtask starves all.

export class Ticker {
  /** Ticks that were ever armed: an idle runtime arms none. */
  count = 0;
  #armed = false;
  #channel;

  constructor(run) {
    this.run = () => {
      this.#armed = false;
      run();
    };
    if (typeof setImmediate !== 'function') {
      this.#channel = new MessageChannel();
      this.#channel.port1.onmessage = () => this.run?.();
    }
  }

  arm() {
    if (!this.#armed) {
      this.#armed = true;
      this.count++;
      if (this.#channel) {
        this.#channel.port2.postMessage(0);
      } else {
        setImmediate(() => this.run?.());
      }
    }
  }

  /** For good. */
  close() {
    this.#armed = true;
    this.run = null;
    this.#channel?.port1.close();
  }
}
