import { createRuntime } from './troupe/index.mjs';

const greeter = {
  init(greeting) {
    return { greeting, greeted: 0 };
  },
  receive(name, { state }) {
    state.greeted++;
    return `${state.greeting}, ${name}`;
  },
};

const runtime = await createRuntime();
const ref = await runtime.spawn(greeter, 'hello', { name: 'greeter' });
console.log(await runtime.call(ref, 'world', { timeout: 1000 }));
await runtime.close();
