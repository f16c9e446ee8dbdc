// Counts frames and timers while actors take all the time they can get.
import { createRuntime } from './package/slim.mjs';

const DURATION = 2000;
const runtime = await createRuntime({ wasm: './actors.wasm' });
for (let i = 0; i < 50; i++) {
  runtime.send(await runtime.spawn('busy'), 1);
}

let frames = 0;
let worst = 0;
let last = performance.now();
let timers = 0;
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
await runtime.close();
globalThis.result = { fps: Math.round(frames * 1000 / DURATION), worst: Math.round(worst), timers };
