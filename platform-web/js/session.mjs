// One session of the core over one connection of JavaScript: frames out are joined per tick, frames in are
// operations. What the connection is (WebSocket, MessagePort) is the business of link.mjs and workers.mjs.
import { TroupeError, errorOf } from './errors.mjs';
import { joinBytes } from './cbor.mjs';
import { OP } from './record.mjs';

const AUTH = { token: 2, inherited: 3 };
const RIGHTS = ['sendNames', 'sendPids', 'monitor', 'link', 'spawn', 'exit', 'names', 'groups', 'observe', 'anyPid'];
const BATCH_MAX = 65536;
const IO_ERROR = -24;

/** The states of a session that a status shows. */
const STATES = { 2: 'up', 3: 'suspect' };

const GUEST_RIGHTS = ['sendNames', 'sendPids'];
export const ALL_RIGHTS = 1023;

/** The bits of a list of rights; default are those of a guest. */
export function rightsMask(rights = GUEST_RIGHTS) {
  return rights.reduce((mask, right) => {
    const bit = RIGHTS.indexOf(right);
    if (bit < 0) {
      throw new TroupeError('invalid', `no such right: ${right}`, { hint: RIGHTS.join(', ') });
    }
    return mask | 1 << bit;
  }, 0);
}

export class Session {
  #runtime;
  #id;
  #out = [];
  #handlers;
  #over = false;

  /** `handlers`: write(bytes), closed(error or null), and the Status that shows the session's state. */
  constructor(runtime, { auth, dialler, rights, token }, handlers) {
    this.#runtime = runtime;
    this.#handlers = handlers;
    this.#id = runtime.nextId();
    runtime.sessions.set(this.#id, this);
    runtime.put(0, OP.SESSION_OPEN, this.#id, rights, AUTH[auth] | (dialler ? 256 : 0), 0, token);
  }

  receive(bytes) { this.#put(OP.RECEIVE, 0, bytes); }
  lost() { this.#put(OP.LOST, IO_ERROR); }
  writable(yes) { this.#put(OP.WRITABLE, yes ? 1 : 0); }
  close() { this.#put(OP.CLOSE); }
  probe() { this.#put(OP.PROBE); }

  #put(code, value = 0, bytes = undefined) {
    if (!this.#over) {
      this.#runtime.put(0, code, this.#id, value, 0, 0, bytes);
    }
  }

  // --- what the runtime calls -----------------------------------------------------------------------------

  send(bytes) {
    this.#out.push(bytes);
  }

  flush() {
    const out = this.#out;
    this.#out = [];
    for (let from = 0, size = 0, i = 0; i < out.length; i++) {
      size += out[i].length;
      if (i + 1 === out.length || size + out[i + 1].length > BATCH_MAX) {
        this.#handlers.write(joinBytes(out.slice(from, i + 1)));
        from = i + 1;
        size = 0;
      }
    }
  }

  state(state, node, error, why) {
    const { status } = this.#handlers;
    if (STATES[state] && status.status.state !== 'closed') {
      status.change(STATES[state], { node, reason: error ? errorOf(error, why) : null });
    }
  }

  closed(error) {
    if (!this.#over) {
      this.flush();
      this.#over = true;
      this.#handlers.closed(error);
    }
  }
}
