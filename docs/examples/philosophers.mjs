import { createRuntime } from './troupe/slim.mjs';
import wasm from './examples_module.mjs';

const runtime = await createRuntime({ wasm, log() {} }); // without `log` the console tells who eats when
const table = await runtime.spawn('example.dining_table', { guests: 5, meals: 3, seed: 1 });
const { reason } = await runtime.monitor(table).down;
console.log(reason.kind === 'normal' ? '5 philosophers have eaten 3 times each' : reason.text);
await runtime.close();
