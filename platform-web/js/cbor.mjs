// CBOR (RFC 8949) for values, and refs in them. Types of messages are in types.mjs.
//
// A ref is `{ pid: '<node#incarnation/index.generation>' }`, frozen: a plain object, so it survives structured
// clone. In CBOR it is tag 39 (identifier) around the text.
import { EncodeError, TroupeError } from './errors.mjs';

const TAG_REF = 39;
const DEPTH_MAX = 32; // as in the core
export const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Records are aligned to 8 bytes. */
export const padded = (length) => (length + 7) & ~7;

export const makeRef = (pid) => Object.freeze({ pid });

/** True for what this package accepts as a ref; `Object.keys` keeps a message with a field `pid` from passing. */
export const isRef = (value) =>
  typeof value === 'object' && value !== null && typeof value.pid === 'string' && value.pid[0] === '<' &&
  Object.keys(value).length === 1;

/** Writes CBOR and raw bytes into a buffer that grows. */
export class Writer {
  at = 0;
  path = []; // to the value being written, for errors
  parents = [];

  constructor() {
    this.#use(new Uint8Array(4096));
  }

  #use(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
    this.words = new Int32Array(bytes.buffer);
    this.numbers = new Float64Array(bytes.buffer);
  }

  room(length) {
    if (this.at + length > this.bytes.length) {
      const larger = new Uint8Array(padded(Math.max(this.bytes.length * 2, this.at + length)));
      larger.set(this.bytes.subarray(0, this.at));
      this.#use(larger);
    }
  }

  raw(bytes) {
    this.room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  // For short texts. ASCII is written here; the platform's encoder costs more than such a text.
  utf8(text) {
    const { length } = text;
    this.room(length * 3);
    const { bytes, at } = this;
    let i = 0;
    for (let code; i < length && (code = text.charCodeAt(i)) < 128; i++) {
      bytes[at + i] = code;
    }
    this.at += i < length ? encoder.encodeInto(text, bytes.subarray(at)).written : i;
  }

  head(major, n) {
    this.room(9);
    const info = n < 24 ? n : n < 0x100 ? 24 : n < 0x10000 ? 25 : n < 0x100000000 ? 26 : 27;
    const { view } = this;
    const at = this.at + 1;
    this.bytes[this.at] = major << 5 | info;
    this.at = at + (info < 24 ? 0 : 1 << (info - 24));
    if (info === 24) {
      this.bytes[at] = n;
    } else if (info === 25) {
      view.setUint16(at, n);
    } else if (info === 26) {
      view.setUint32(at, n);
    } else if (info === 27) {
      view.setBigUint64(at, BigInt(n));
    }
  }

  text(text) {
    const start = this.at;
    if (text.length < 24) {
      this.head(3, 0);
      this.utf8(text);
      const length = this.at - start - 1;
      if (length < 24) {
        this.bytes[start] |= length;
        return;
      }
      this.at = start;
    }
    this.blob(encoder.encode(text), 3);
  }

  blob(bytes, major = 2) {
    this.head(major, bytes.length);
    this.raw(bytes);
  }

  float(number) {
    this.room(9);
    this.view.setUint8(this.at, 0xfb);
    this.view.setFloat64(this.at + 1, number);
    this.at += 9;
  }

  integer(n) {
    const argument = n < 0 ? (typeof n === 'bigint' ? ~n : -1 - n) : n;
    this.head(n < 0 ? 1 : 0, argument <= Number.MAX_SAFE_INTEGER ? Number(argument) : argument);
  }

  ref(ref) {
    this.head(6, TAG_REF);
    this.text(ref.pid);
  }

  refuse(what, hint = '') {
    const path = this.path.join('.');
    throw new EncodeError(`${what} cannot be sent${path ? `, at ${path}` : ''}`, { path, hint });
  }

  /** Writes what an object or array has at `key`. */
  item(key, value) {
    this.path.push(key);
    this.value(value);
    this.path.pop();
  }

  value(value) {
    switch (typeof value) {
      case 'string':
        return this.text(value);
      case 'number':
        return Number.isSafeInteger(value) && !Object.is(value, -0) ? this.integer(value) : this.float(value);
      case 'boolean':
        return this.head(7, value ? 21 : 20);
      case 'undefined':
        return this.head(7, 23);
      case 'bigint':
        if (value >= 1n << 64n || value < -(1n << 63n)) {
          this.refuse('a BigInt of more than 64 bits', 'send it as a string');
        }
        return this.integer(value);
      case 'object':
        return value === null ? this.head(7, 22) : this.object(value);
      default:
        return this.refuse(`a ${typeof value}`, 'messages are plain data and refs');
    }
  }

  object(object) {
    if (isRef(object)) {
      return this.ref(object);
    }
    const bytes = bytesOf(object);
    if (bytes) {
      return this.blob(bytes);
    }
    if (this.parents.includes(object)) {
      this.refuse('a cyclic object');
    }
    if (this.parents.length >= DEPTH_MAX - 1) {
      this.refuse(`a value nested deeper than ${DEPTH_MAX}`);
    }
    this.parents.push(object);
    if (Array.isArray(object)) {
      this.head(4, object.length);
      for (let i = 0; i < object.length; i++) {
        this.item(i, object[i]);
      }
    } else {
      this.record(object);
    }
    this.parents.pop();
  }

  record(object) {
    const prototype = Object.getPrototypeOf(object);
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      this.refuse(`an object of class ${prototype.constructor?.name}`, 'send a plain object');
    }
    const keys = Object.keys(object);
    this.head(5, keys.length);
    for (const key of keys) {
      this.text(key);
      this.item(key, object[key]);
    }
  }
}

/** The bytes of a binary object, or null for anything else. */
export function bytesOf(object) {
  if (object instanceof Uint8Array) {
    return object;
  }
  if (ArrayBuffer.isView(object)) {
    return new Uint8Array(object.buffer, object.byteOffset, object.byteLength);
  }
  return object instanceof ArrayBuffer ? new Uint8Array(object) : null;
}

export function textOf(bytes) {
  return bytes.length < 24 && bytes.every((byte) => byte < 128) ? String.fromCharCode.apply(null, bytes)
    : decoder.decode(bytes);
}

const malformed = () => new TroupeError('decode', 'malformed CBOR');

/** Sets a property whatever it is called: `__proto__` from outside must stay data. */
export function setProperty(object, key, value) {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[key] = value;
  }
}

/** Reads CBOR from bytes. Strings are copied, so the bytes may be reused afterwards. */
export class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.seek(0);
  }

  seek(at) {
    this.at = at;
    this.depth = 0;
    return this;
  }

  // The argument of the head whose first byte was read: a number, a BigInt if need be, -1 for "indefinite".
  argument(info) {
    const { view, at } = this;
    if (info < 24) {
      return info;
    }
    if (info === 31) {
      return -1;
    }
    this.at += 1 << (info - 24);
    if (info > 26) {
      const n = view.getBigUint64(at);
      return n <= Number.MAX_SAFE_INTEGER ? Number(n) : n;
    }
    return info === 24 ? view.getUint8(at) : info === 25 ? view.getUint16(at) : view.getUint32(at);
  }

  /** The number of items of the container that comes next, of this kind and of known length, as the core writes them. */
  length(major) {
    const first = this.view.getUint8(this.at++);
    if (first >> 5 !== major) {
      throw malformed();
    }
    return this.argument(first & 31);
  }

  value() {
    const first = this.view.getUint8(this.at++);
    const major = first >> 5;
    const info = first & 31;
    if (major === 7) {
      return this.simple(info);
    }
    const n = this.argument(info);
    switch (major) {
      case 0: return n;
      case 1: return typeof n === 'bigint' || n === Number.MAX_SAFE_INTEGER ? -1n - BigInt(n) : -1 - n;
      case 2: return this.string(n, 2).slice();
      case 3: return textOf(this.string(n, 3));
      default: break;
    }
    if (++this.depth > DEPTH_MAX) {
      throw malformed();
    }
    const value = major === 4 ? this.array(n) : major === 5 ? this.map(n) : this.tagged(n);
    this.depth--;
    return value;
  }

  // True while items are left of a container of `n` items, of which `i` were read.
  more(n, i) {
    if (n >= 0) {
      return i < n;
    }
    const isBreak = this.view.getUint8(this.at) === 0xff;
    this.at += isBreak ? 1 : 0;
    return !isBreak;
  }

  string(n, major) {
    if (n >= 0) {
      if (n > this.bytes.length - this.at) {
        throw malformed();
      }
      return this.bytes.subarray(this.at, this.at += n);
    }
    const pieces = [];
    while (this.more(-1)) {
      const first = this.view.getUint8(this.at++);
      if (first >> 5 !== major) {
        throw malformed();
      }
      pieces.push(this.string(this.argument(first & 31), major));
    }
    return joinBytes(pieces);
  }

  array(n) {
    const array = [];
    for (let i = 0; this.more(n, i); i++) {
      array.push(this.value());
    }
    return array;
  }

  map(n) {
    const object = {};
    for (let i = 0; this.more(n, i); i++) {
      const key = this.value();
      setProperty(object, String(key), this.value());
    }
    return object;
  }

  tagged(tag) {
    const value = this.value();
    return tag === TAG_REF && typeof value === 'string' ? makeRef(value) : value;
  }

  simple(info) {
    const { view, at } = this;
    switch (info) {
      case 20: return false;
      case 21: return true;
      case 22: return null;
      default:
        this.at += info < 24 ? 0 : 1 << (info - 24);
        return info === 25 ? halfFloat(view.getUint16(at)) : info === 26 ? view.getFloat32(at)
          : info === 27 ? view.getFloat64(at) : undefined;
    }
  }
}

function halfFloat(bits) {
  const exponent = bits >> 10 & 31;
  const fraction = bits & 1023;
  const size = exponent === 31 ? (fraction ? NaN : Infinity)
    : exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return bits >> 15 ? -size : size;
}

export function joinBytes(pieces) {
  if (pieces.length === 1) {
    return pieces[0];
  }
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
