// The package without a wasm module inside: `createRuntime({ wasm })`. Workers run this same file.
import { serveWorker } from './worker.mjs';

export {
  AuthError, CallTimeoutError, ClosedError, EncodeError, ExitError, LoadError, MailboxFullError, NoProcessError,
  NodeDownError, ProtocolMismatchError, RuntimeCrashedError, TroupeError, UnsupportedError, isTroupeError,
} from './errors.mjs';
export { isRef } from './cbor.mjs';
export { createRuntime } from './create.mjs';

serveWorker();
