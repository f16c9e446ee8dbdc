// Typed messages: objects with the name of their type in `$type`, by the field tables that the module describes.
import { EncodeError } from './errors.mjs';
import { bytesOf, isRef, setProperty } from './cbor.mjs';

// core/include/troupe/type.h has the same numbers.
const BOOLEAN = 1;
const I32 = 2;
const U32 = 3;
const I64 = 4;
const U64 = 5;
const F64 = 6;
const PID = 7;
const REF = 8;
const STRING = 9;
const BYTES = 10;
const VALUE = 11;
const RECORD = 12;
const LIST = 13;
const TEXT = 14;

// The smallest whole number of each kind, and the first that is too large: doubles that are exact.
const RANGES = {
  [I32]: [-(2 ** 31), 2 ** 31], [U32]: [0, 2 ** 32],
  [I64]: [-(2 ** 63), 2 ** 63], [U64]: [0, 2 ** 64], [REF]: [0, 2 ** 64],
};

const zeroOf = (kind) => {
  switch (kind) {
    case BOOLEAN: return false;
    case PID: return null;
    case STRING: case TEXT: return '';
    case BYTES: return new Uint8Array(0);
    case VALUE: return undefined;
    case LIST: return [];
    default: return 0;
  }
};

/** The types of one module, by number and by name. */
export class Types {
  #list = [];
  #names = new Map();

  /** Learns a type from its TYPE event. */
  add(number, name, description) {
    const fields = description.value().map(
      ([field, key, kind, element, record]) => ({ name: field, key, kind, element, record }));
    const type = { number, name, fields };
    this.#list[number] = type;
    this.#names.set(name, type);
  }

  get names() {
    return [...this.#names.keys()];
  }

  /** Writes a message's body and returns the number of its type, 0 if it is a bare value. */
  write(writer, message) {
    const name = message?.$type;
    if (typeof name !== 'string') {
      writer.value(message);
      return 0;
    }
    const type = this.#names.get(name);
    if (!type) {
      throw new EncodeError(`no message type is called ${name}`, {
        path: '$type', hint: `there are: ${this.names}`,
      });
    }
    return this.writeAs(writer, type.number, message);
  }

  /** Writes `object` as type `number`, for arguments of behaviours. */
  writeAs(writer, number, object) {
    this.#writeRecord(writer, this.#list[number], object);
    return number;
  }

  #writeRecord(writer, type, object) {
    if (typeof object !== 'object' || object === null) {
      writer.refuse(`${object}`, `${type.name} is an object`);
    }
    const { fields } = type;
    let known = object.$type === undefined ? 0 : 1;
    let present = 0;
    for (const { name } of fields) {
      const value = object[name];
      known += value === undefined ? 0 : 1;
      present += value === undefined || value === null ? 0 : 1;
    }
    for (const _ in object) { // eslint-disable-line guard-for-in
      known--;
    }
    if (known !== 0) {
      refuseUnknown(writer, type, object);
    }
    writer.head(5, present);
    for (const field of fields) {
      const value = object[field.name];
      if (value !== undefined && value !== null) {
        writer.head(0, field.key);
        this.#writeField(writer, field.name, field, field.kind, value);
      }
    }
  }

  // Writes `value`, which errors call `key`.
  #writeField(writer, key, field, kind, value) {
    writer.path.push(key);
    switch (kind) {
      case BOOLEAN:
        expect(writer, value, typeof value === 'boolean', 'a boolean');
        writer.value(value);
        break;
      case F64:
        expect(writer, value, typeof value === 'number', 'a number');
        writer.float(value);
        break;
      case PID:
        expect(writer, value, isRef(value), 'a ref');
        writer.value(value);
        break;
      case STRING: case TEXT:
        expect(writer, value, typeof value === 'string', 'a string');
        writer.value(value);
        break;
      case BYTES:
        expect(writer, value, bytesOf(value), 'a Uint8Array');
        writer.value(value);
        break;
      case VALUE:
        writer.value(value);
        break;
      case RECORD:
        this.#writeRecord(writer, this.#list[field.record], value);
        break;
      case LIST:
        expect(writer, value, Array.isArray(value), 'an array');
        writer.head(4, value.length);
        value.forEach((item, i) => this.#writeField(writer, i, field, field.element, item));
        break;
      default: {
        const [low, high] = RANGES[kind];
        const isWhole = Number.isSafeInteger(value) || typeof value === 'bigint';
        if (!isWhole || value < low || value >= high) {
          expect(writer, value, false, `a whole number from ${low} to ${BigInt(high) - 1n}`);
        }
        writer.integer(value);
      }
    }
    writer.path.pop();
  }

  /** Reads the body of a message of type `number`. */
  read(number, reader) {
    if (number === 0) {
      return reader.value();
    }
    const type = this.#list[number];
    return this.#readRecord(reader, type, { $type: type.name });
  }

  // The core writes fields in the order of the table, without those that are zero.
  #readRecord(reader, type, object) {
    let left = reader ? reader.length(5) : 0;
    let key = left > 0 ? reader.value() : null;
    for (const field of type.fields) {
      const isThere = key === field.key;
      setProperty(object, field.name, this.#readField(isThere && reader, field, field.kind));
      if (isThere) {
        key = --left > 0 ? reader.value() : null;
      }
    }
    return object;
  }

  // Without a reader, the zero of that kind.
  #readField(reader, field, kind) {
    if (kind === RECORD) {
      return this.#readRecord(reader, this.#list[field.record], {});
    }
    if (!reader) {
      return zeroOf(kind);
    }
    if (kind === LIST) {
      return Array.from({ length: reader.length(4) }, () => this.#readField(reader, field, field.element));
    }
    return reader.value();
  }
}

function expect(writer, value, ok, what) {
  if (!ok) {
    writer.refuse(`${typeof value} ${String(value)}`, `expected ${what}`);
  }
}

function refuseUnknown(writer, { name, fields }, object) {
  const names = fields.map((field) => field.name);
  const unknown = Object.keys(object).find((key) => key !== '$type' && !names.includes(key));
  if (unknown !== undefined) {
    writer.refuse(`the field ${unknown}`, `${name} has ${names}`);
  }
}
