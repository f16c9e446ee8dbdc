// From whatever says where the wasm is to a compiled module.
import { bytesOf } from './cbor.mjs';
import { LoadError, UnsupportedError } from './errors.mjs';

/**
 * Compiles `source`: a WebAssembly.Module, bytes, a Response, a URL, or the text (or module) that
 * `troupe_add_web_module` writes; also a promise of any of these.
 */
export async function loadModule(source, signal) {
  if (typeof WebAssembly !== 'object') {
    throw new UnsupportedError('there is no WebAssembly here');
  }
  source = await source;
  source = source?.default ?? source;
  if (!(source instanceof WebAssembly.Module)) {
    source = await compile(await bytesFrom(source, signal));
  }
  if (!WebAssembly.Module.exports(source).some(({ name }) => name === 'events_length')) {
    throw new LoadError('this wasm module is not made with Troupe', { hint: 'build it with troupe_add_web_module' });
  }
  return source;
}

async function compile(bytes) {
  if (String([...bytes.subarray(0, 4)]) !== '0,97,115,109') {
    throw new LoadError(`got ${bytes[0] === 0x3c ? 'HTML' : 'something else'} instead of WebAssembly`, {
      hint: 'check the URL and what the bundler does to .wasm files',
    });
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    if (/unsafe-eval|Content Security Policy/i.test(cause.message)) {
      throw new UnsupportedError("the page's policy forbids WebAssembly", {
        cause, hint: "add 'wasm-unsafe-eval' to script-src",
      });
    }
    throw new LoadError('the wasm module does not compile', { cause });
  }
}

async function bytesFrom(source, signal) {
  if (typeof source === 'string' && source.startsWith('H4sI')) {
    return inflate(source);
  }
  if (typeof source === 'string' || source instanceof URL) {
    source = await fetchFrom(source, signal);
  }
  if (source instanceof Response) {
    if (!source.ok) {
      throw new LoadError(`${source.url || 'the wasm module'}: HTTP status ${source.status}`);
    }
    source = await source.arrayBuffer();
  }
  const bytes = bytesOf(source);
  if (!bytes) {
    throw new LoadError('nothing to load the wasm module from', { hint: 'see the option `wasm`' });
  }
  return bytes;
}

async function fetchFrom(location, signal) {
  try {
    return await fetch(location, { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new LoadError(`cannot fetch ${location}`, { cause, hint: 'in Node, pass the bytes of the file' });
  }
}

/** Base64 of gzip, without `fetch('data:…')`, which a strict connect-src blocks. */
async function inflate(text) {
  const zipped = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
