// Counts frames, timers and long tasks while actors take all the time they can get, and what part of the thread that is: each tick
// of a runtime that has more to do than it can takes a whole slice.
import { createRuntime } from './package/slim.mjs';

const DURATION = 2000;
const SLICE = 4;
const runtime = await createRuntime({ wasm: './actors.wasm', sliceMs: SLICE });
for (let i = 0; i < 50; i++) {
  runtime.send(await runtime.spawn('busy'), 1);
}

let frames = 0;
let worst = 0;
let last = performance.now();
let timers = 0;
let longTasks = 0;
const observer = new PerformanceObserver((list) => { longTasks += list.getEntries().length; });
observer.observe({ type: 'longtask' });
const { ticks } = runtime.info;
const start = last;
const interval = setInterval(() => { timers++; }, 20);
const end = last + DURATION;
await new Promise((resolve) => {
  requestAnimationFrame(function frame() {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
    frames++;
    if (now < end) {
      requestAnimationFrame(frame);
    } else {
      resolve();
    }
  });
});
clearInterval(interval);
const share = Math.round((runtime.info.ticks - ticks) * SLICE / (last - start) * 100);
await runtime.close();
globalThis.result = { fps: Math.round(frames * 1000 / DURATION), worst: Math.round(worst), timers, share, longTasks };
