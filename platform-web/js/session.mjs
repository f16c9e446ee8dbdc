// One session of the core over one connection of JavaScript: frames out are joined per tick, frames in are
// operations. What the connection is (WebSocket, MessagePort) is the business of link.mjs and workers.mjs.
import { TroupeError, errorOf } from './errors.mjs';
import { joinBytes } from './cbor.mjs';
import { OP } from './record.mjs';

// As in core/include/troupe/node.h.
export const AUTH_TOKEN = 2;
export const AUTH_INHERITED = 3;
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

/**
 * Opens a session. `handlers`: write(bytes), closed(error or null), and the Status that shows the session's state. Returns what the
 * connection calls; the runtime finds the rest, of the other direction, in its `sessions`.
 */
export function openSession(runtime, { auth, dialler, rights, token }, { write, closed, status }) {
  const id = runtime.nextId();
  let out = [];
  const put = (code, value = 0, bytes = undefined) =>
    runtime.sessions.has(id) && runtime.put(0, code, id, value, 0, 0, bytes);

  function flush() {
    const pieces = out;
    out = [];
    for (let from = 0, size = 0, i = 0; i < pieces.length; i++) {
      size += pieces[i].length;
      if (i + 1 === pieces.length || size + pieces[i + 1].length > BATCH_MAX) {
        write(joinBytes(pieces.slice(from, i + 1)));
        from = i + 1;
        size = 0;
      }
    }
  }

  runtime.sessions.set(id, {
    flush,
    send: (bytes) => out.push(bytes),
    state(state, node, error, why) {
      if (STATES[state] && status.status.state !== 'closed') {
        status.change(STATES[state], { node, reason: error ? errorOf(error, why) : null });
      }
    },
    closed(error) {
      flush();
      runtime.sessions.delete(id);
      closed(error);
    },
  });
  runtime.put(0, OP.SESSION_OPEN, id, rights, auth | (dialler ? 256 : 0), 0, token);
  return {
    receive: (bytes) => put(OP.RECEIVE, 0, bytes),
    lost: () => put(OP.LOST, IO_ERROR),
    writable: (yes) => put(OP.WRITABLE, yes ? 1 : 0),
    close: () => put(OP.CLOSE),
    probe: () => put(OP.PROBE),
  };
}
