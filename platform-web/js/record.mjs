// Records: what crosses between JavaScript and the wasm module, 32 bytes each and two runs of bytes behind.
// src/record.h explains them and has the same numbers.

export const OP = {
  SEGMENT: 0, SPAWN: 1, SPAWN_PORT: 2, SEND: 3, CALL: 4, CANCEL: 5, REPLY: 6, REPLY_ERROR: 7, WHEREIS: 8,
  MONITOR: 9, DEMONITOR: 10, STOP: 11, KILL: 12, DONE: 13, SESSION_OPEN: 14, RECEIVE: 15, LOST: 16,
  WRITABLE: 17, CLOSE: 18, PROBE: 19, EXPOSE: 20, SHUTDOWN: 21, STATS: 22,
};

export const EVENT = {
  TYPE: 1, BEHAVIOUR: 2, RESULT: 3, REPLY: 4, FAILURE: 5, ACTIVATE: 6, MESSAGE: 7, DOWN: 8, EXIT: 9,
  ASKED: 10, SEND_BYTES: 11, STATE: 12, CLOSED: 13, LOST_MEMORY: 14,
};

const HEADER = 32;
const padded = (length) => (length + 7) & ~7;

// Writes records into a Writer of cbor.mjs. `a` is a string, bytes or undefined; `b` may also be a function that writes into the Writer
// and returns the record's value. If it throws, no trace of the record is left.
export function putRecord(writer, code, id, value, extra, number, a, b) {
  const start = writer.at;
  try {
    writer.skip(HEADER);
    const aLength = putPart(writer, a);
    const bStart = writer.at;
    if (typeof b === 'function') {
      value = b(writer);
    } else {
      putPart(writer, b);
    }
    const bLength = writer.at - bStart;
    writer.skip(padded(aLength + bLength) - aLength - bLength);
    const { view } = writer;
    [code, id, value, extra, aLength, bLength].forEach((n, i) => view.setUint32(start + 4 * i, n, true));
    view.setFloat64(start + 24, number, true);
  } catch (error) {
    writer.at = start;
    throw error;
  }
  return start;
}

function putPart(writer, part) {
  const start = writer.at;
  if (typeof part === 'string') {
    writer.utf8(part);
  } else if (part) {
    writer.raw(part);
  }
  return writer.at - start;
}

/** Sets the length of `a` of a record whose `a` was written behind it. */
export function patchLength(writer, start) {
  writer.view.setUint32(start + 16, writer.at - start - HEADER, true);
}

/** Reads the records of `bytes` one after another. They are aligned to 8 bytes, and wasm is little-endian as its hosts. */
export class RecordReader {
  constructor(bytes) {
    const { buffer, byteOffset, length } = bytes;
    this.bytes = bytes;
    this.words = new Int32Array(buffer, byteOffset, length / 4);
    this.numbers = new Float64Array(buffer, byteOffset, length / 8);
    this.at = 0;
  }

  next() {
    const { bytes, at } = this;
    if (at === bytes.length) {
      return null;
    }
    const [code, id, value, extra, aLength, bLength] = this.words.subarray(at / 4, at / 4 + 6);
    const aStart = at + HEADER;
    const bStart = aStart + aLength;
    this.at = aStart + padded(aLength + bLength);
    return {
      code, id: id >>> 0, value, extra, number: this.numbers[at / 8 + 3],
      a: bytes.subarray(aStart, bStart), b: bytes.subarray(bStart, bStart + bLength),
    };
  }
}
