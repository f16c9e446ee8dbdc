// Records: what crosses between JavaScript and the wasm module, 32 bytes each and two runs of bytes behind.
// src/record.h explains them and has the same numbers.
import { Reader, padded } from './cbor.mjs';

export const OP = {
  SEGMENT: 0, SPAWN: 1, SPAWN_PORT: 2, SEND: 3, CALL: 4, CANCEL: 5, REPLY: 6, REPLY_ERROR: 7, WHEREIS: 8,
  MONITOR: 9, DEMONITOR: 10, STOP: 11, KILL: 12, DONE: 13, SESSION_OPEN: 14, RECEIVE: 15, LOST: 16, WRITABLE:
  17, CLOSE: 18, PROBE: 19, EXPOSE: 20, SHUTDOWN: 21, STATS: 22,
};

export const EVENT = {
  TYPE: 1, BEHAVIOUR: 2, RESULT: 3, REPLY: 4, FAILURE: 5, ACTIVATE: 6, MESSAGE: 7, DOWN: 8, EXIT: 9, ASKED:
  10, SEND_BYTES: 11, STATE: 12, CLOSED: 13, LOST_MEMORY: 14,
};

/** A bit of an operation's code: `a` is left out, it is that of the operation before in the segment. */
export const SAME = 256;

const HEADER = 32;

// Writes records into a Writer of cbor.mjs. `a` is a string, bytes or undefined; `b` may also be a function that writes
// `message` into the Writer and returns the record's value. If it throws, no trace of the record is left.
export function putRecord(writer, code, id, value, extra, number, a, b, message) {
  const start = writer.at;
  try {
    writer.room(HEADER);
    writer.at += HEADER;
    putPart(writer, a);
    const bStart = writer.at;
    if (typeof b === 'function') {
      value = b(writer, message);
    } else {
      putPart(writer, b);
    }
    const bLength = writer.at - bStart;
    writer.room(8);
    writer.at = padded(writer.at);
    const { words } = writer;
    const at = start >> 2;
    words[at] = code;
    words[at + 1] = id;
    words[at + 2] = value;
    words[at + 3] = extra;
    words[at + 4] = bStart - start - HEADER;
    words[at + 5] = bLength;
    writer.numbers[(at >> 1) + 3] = number;
  } catch (error) {
    writer.at = start;
    writer.path.length = writer.parents.length = 0;
    throw error;
  }
  return start;
}

function putPart(writer, part) {
  if (typeof part === 'string') {
    writer.utf8(part);
  } else if (part) {
    writer.raw(part);
  }
}

/** Sets the length of `a` of a record whose `a` was written behind it. */
export function patchLength(writer, start) {
  writer.words[(start >> 2) + 4] = writer.at - start - HEADER;
}

/**
 * Walks through the records of `bytes`, which are aligned to 8 bytes; wasm is little-endian as its hosts. The walker is the
 * record: `next` makes it the next one.
 */
export class RecordReader {
  #next = 0;

  constructor(bytes) {
    const { buffer, byteOffset, length } = bytes;
    this.words = new Int32Array(buffer, byteOffset, length / 4);
    this.numbers = new Float64Array(buffer, byteOffset, length / 8);
    this.body = new this.Body(bytes);
  }

  /** This, or null at the end. */
  next() {
    const { words } = this;
    const at = this.#next >> 2;
    if (at === words.length) {
      return null;
    }
    this.code = words[at];
    this.id = words[at + 1] >>> 0;
    this.value = words[at + 2];
    this.extra = words[at + 3];
    this.number = this.numbers[(at >> 1) + 3];
    this.start = this.#next + HEADER;
    this.middle = this.start + words[at + 4];
    this.end = this.middle + words[at + 5];
    this.#next = padded(this.end);
    return this;
  }

  get a() { return this.body.bytes.subarray(this.start, this.middle); }
  get b() { return this.body.bytes.subarray(this.middle, this.end); }

  /** Reads the CBOR in `a`. */
  reader() { return this.body.seek(this.start); }
}

// The minifier moves a class to where alone it is used. Here that is not done anew for each reader.
RecordReader.prototype.Body = Reader;
