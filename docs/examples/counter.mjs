import { createRuntime } from './troupe/slim.mjs';
import wasm from './counter_module.mjs';

const runtime = await createRuntime({ wasm });
const counter = await runtime.spawn('counter');
runtime.send(counter, { $type: 'example.Add', by: 20 });
runtime.send(counter, { $type: 'example.Add', by: 22 });
const { value } = await runtime.call(counter, { $type: 'example.Get' }, { timeout: 1000 });
console.log(`the counter says ${value}`);
await runtime.close();
