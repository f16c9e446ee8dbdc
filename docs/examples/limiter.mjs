import { createRuntime } from './troupe/slim.mjs';
import wasm from './examples_module.mjs';

const runtime = await createRuntime({ wasm });
const limiter = await runtime.spawn('example.limiter', { per_second: 100, burst: 5 });
const begin = performance.now();
await Promise.all(Array.from({ length: 20 }, () => runtime.call(limiter, { $type: 'example.Permit' })));
const isTooFast = performance.now() - begin < 140;
console.log(isTooFast ? 'too fast' : '20 permits: 5 at once, 15 at 100 per second');
await runtime.close();
