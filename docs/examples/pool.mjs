import { createRuntime } from './troupe/slim.mjs';
import wasm from './examples_module.mjs';

const runtime = await createRuntime({ wasm });
const pool = await runtime.spawn('example.pool');
const divide = (divisor) => runtime.call(pool, { $type: 'example.Job', dividend: 100, divisor });

const jobs = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => divide(19 - i)));
const done = jobs.filter((job) => job.status === 'fulfilled').map((job) => Number(job.value.quotient));
const sum = done.reduce((total, quotient) => total + quotient, 0);
console.log(`${done.length} jobs done, sum ${sum}, job 20: ${jobs[19].reason.message}`);
await runtime.close();
