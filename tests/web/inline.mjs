// The smallest page there is, with the default entry.
import { createRuntime } from './package/index.mjs';

const runtime = await createRuntime();
const greeter = await runtime.spawn({ receive: (name) => `Hello, ${name}!` });
const reply = await runtime.call(greeter, 'page');
const { place } = runtime.info;
await runtime.close();
globalThis.result = { reply, place };
