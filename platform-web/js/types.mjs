// Typed messages: objects with the name of their type in `$type`, by the field tables that the module describes.
import { TroupeError, EncodeError } from './errors.mjs';
import { Reader, bytesOf, isRef, setProperty } from './cbor.mjs';

// core/include/troupe/type.h has the same numbers.
const [BOOLEAN, I32, U32, I64, U64, F64, PID, REF, STRING, BYTES, VALUE, RECORD, LIST, TEXT] =
  Array.from({ length: 14 }, (_, i) => i + 1);

const RANGES = {
  [I32]: [-(2 ** 31), 2 ** 31 - 1], [U32]: [0, 2 ** 32 - 1],
  [I64]: [-(2n ** 63n), 2n ** 63n - 1n], [U64]: [0n, 2n ** 64n - 1n], [REF]: [0n, 2n ** 64n - 1n],
};

const zeroOf = (kind) => {
  switch (kind) {
    case BOOLEAN: return false;
    case PID: return null;
    case STRING: case TEXT: return '';
    case BYTES: return new Uint8Array(0);
    case VALUE: case RECORD: return undefined;
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
    const fields = new Reader(description).value().map(
      ([field, key, kind, element, record]) => ({ name: field, key, kind, element, record }));
    const type = { number, name, fields, keys: new Map(fields.map((field) => [field.key, field])) };
    this.#list[number] = type;
    this.#names.set(name, type);
  }

  get names() {
    return [...this.#names.keys()];
  }

  /** Writes a message's body and returns the number of its type, 0 if it is a bare value. */
  write(writer, message) {
    writer.forget();
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
    this.#writeRecord(writer, type, message);
    return type.number;
  }

  /** Writes `object` as type `number`, for arguments of behaviours. */
  writeAs(writer, number, object) {
    writer.forget();
    this.#writeRecord(writer, this.#list[number], object);
    return number;
  }

  #writeRecord(writer, type, object) {
    if (typeof object !== 'object' || object === null) {
      writer.refuse(`${object}`, `${type.name} is an object`);
    }
    const unknown = Object.keys(object).find(
      (key) => key !== '$type' && !type.fields.some((field) => field.name === key));
    if (unknown !== undefined) {
      writer.refuse(`the field ${unknown}`, `${type.name} has ${type.fields.map((f) => f.name)}`);
    }
    const fields = type.fields.filter(({ name }) => object[name] !== undefined && object[name] !== null);
    writer.head(5, fields.length);
    for (const field of fields) {
      writer.head(0, field.key);
      writer.under(field.name, () => this.#writeField(writer, field, field.kind, object[field.name]));
    }
  }

  #writeField(writer, field, kind, value) {
    const expect = (ok, what) => ok || writer.refuse(`${typeof value} ${String(value)}`, `expected ${what}`);
    switch (kind) {
      case BOOLEAN:
        expect(typeof value === 'boolean', 'a boolean');
        return writer.value(value);
      case F64:
        expect(typeof value === 'number', 'a number');
        return writer.float(value);
      case PID:
        expect(isRef(value), 'a ref');
        return writer.ref(value);
      case STRING: case TEXT:
        expect(typeof value === 'string', 'a string');
        return writer.text(value);
      case BYTES: {
        const bytes = bytesOf(value);
        expect(bytes, 'a Uint8Array');
        return writer.blob(bytes);
      }
      case VALUE:
        return writer.value(value);
      case RECORD:
        return this.#writeRecord(writer, this.#list[field.record], value);
      case LIST:
        expect(Array.isArray(value), 'an array');
        writer.head(4, value.length);
        return value.forEach((item, i) =>
          writer.under(i, () => this.#writeField(writer, field, field.element, item)));
      default: {
        const [low, high] = RANGES[kind];
        const whole = typeof value === 'bigint' || Number.isSafeInteger(value);
        expect(whole && value >= low && value <= high, `a whole number from ${low} to ${high}`);
        return writer.integer(Object.is(value, -0) ? 0 : value);
      }
    }
  }

  /** Reads the body of a message of type `number`. */
  read(number, bytes) {
    const value = new Reader(bytes).value();
    if (number === 0) {
      return value;
    }
    const type = this.#list[number];
    return { $type: type.name, ...this.#readRecord(type, value) };
  }

  #readRecord(type, value) {
    if (typeof value !== 'object' || value === null) {
      throw new TroupeError('decode', `malformed ${type.name}`);
    }
    const object = {};
    for (const field of type.fields) {
      setProperty(object, field.name, this.#readField(field, field.kind, value[field.key]));
    }
    return object;
  }

  #readField(field, kind, value) {
    if (kind === RECORD) {
      return this.#readRecord(this.#list[field.record], value ?? {});
    }
    if (value === undefined) {
      return zeroOf(kind);
    }
    return kind === LIST ? value.map((item) => this.#readField(field, field.element, item)) : value;
  }
}
