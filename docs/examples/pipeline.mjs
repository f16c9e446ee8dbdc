import { createRuntime } from './troupe/slim.mjs';
import wasm from './examples_module.mjs';

const runtime = await createRuntime({ wasm });
const pipeline = await runtime.spawn('example.pipeline');
const { values } = await runtime.call(pipeline, { $type: 'example.Squares', count: 10, capacity: 4 });
console.log(`squares: ${values.join(' ')}`);
await runtime.close();
