// Errors: a class for what a program tells apart, a stable `code` for all, and a hint what to do about it.

export class TroupeError extends Error {
  constructor(code, message, { hint = '', cause, ...details } = {}) {
    super(hint ? `${message} (${hint})` : message, cause === undefined ? undefined : { cause });
    this.name = 'TroupeError';
    this.code = code;
    this.hint = hint;
    Object.assign(this, details);
  }
}

// Names are texts here: a bundler shortens those of classes.
const CLASSES = {};
const define = (name, code) => (CLASSES[code] = class extends TroupeError {
  constructor(message, details) {
    super(code, message, details);
    this.name = name;
  }
});

export const UnsupportedError = define('UnsupportedError', 'unsupported');
export const LoadError = define('LoadError', 'load');
/** Named as the platform names it. */
export const CallTimeoutError = define('TimeoutError', 'timeout');
export const NoProcessError = define('NoProcessError', 'noproc');
/** The actor that was called ended before it replied; `reason` says why. */
export const ExitError = define('ExitError', 'exit');
export const MailboxFullError = define('MailboxFullError', 'full');
/** A value that cannot be sent; `path` says where in it. */
export const EncodeError = define('EncodeError', 'encode');
export const NodeDownError = define('NodeDownError', 'noconnection');
export const AuthError = define('AuthError', 'auth');
export const ProtocolMismatchError = define('ProtocolMismatchError', 'version');
export const RuntimeCrashedError = define('RuntimeCrashedError', 'crashed');
export const ClosedError = define('ClosedError', 'closed');

/** True for an error of this package, also of another copy of it or from another realm. */
export const isTroupeError = (error, code) =>
  error instanceof Error && typeof error.hint === 'string' && typeof error.code === 'string' &&
  (code === undefined || error.code === code);

// core/include/troupe/error.h has the same numbers.
const CODES = ('invalid nomem unsupported noproc full empty closed timeout canceled exists notfound limit ' +
  'noconnection denied auth protocol version decode type self state exit addrinuse io toobig deadlock')
  .split(' ');

/** The error for a TRP_E* number, or for a positive one of the application. */
export function errorOf(number, message, details) {
  const code = CODES[-number - 1];
  const Class = CLASSES[code];
  return Class ? new Class(message, details) : new TroupeError(code ?? 'error', message, { number, ...details });
}

/** The TRP_E* number of a code. */
export const numberOf = (code) => -1 - CODES.indexOf(code);

const KINDS = ['normal', 'shutdown', 'killed', 'noproc', 'noconnection', 'error'];

/** An exit reason as an object, from the numbers of core/include/troupe/exit.h. */
export const reasonOf = (kind, code, text) => ({ kind: KINDS[kind] ?? 'error', code, text });

/** And back. A string is the kind of a reason, or the text of an error. */
export function reasonNumbers(reason = 'shutdown') {
  if (typeof reason === 'string') {
    reason = KINDS.includes(reason) ? { kind: reason } : { kind: 'error', text: reason };
  }
  const kind = KINDS.indexOf(reason.kind ?? 'error');
  if (kind < 0 || reason.kind === 'killed') {
    throw new TroupeError('invalid', `no such exit kind: ${reason.kind}`, { hint: KINDS.join(', ') });
  }
  return [kind, Number(reason.code ?? 0) | 0, String(reason.text ?? '')];
}
