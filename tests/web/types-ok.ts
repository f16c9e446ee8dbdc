// Must compile: how the package is used.
import {
  createRuntime, isRef, isTroupeError, EncodeError, type Behaviour, type Ref, type Runtime,
} from 'troupe';

interface Sum { total: number }
interface Add { by: number }

const adder: Behaviour<number, Sum, Add> = {
  init: (start) => ({ total: start }),
  receive({ by }, ctx) {
    ctx.state.total += by;
    return ctx.state.total;
  },
  down({ reason }, ctx) {
    if (reason.kind === 'noconnection') ctx.stop({ kind: 'error', text: 'alone' });
  },
};

export async function use(signal: AbortSignal): Promise<number> {
  const runtime: Runtime = await createRuntime({ place: 'worker', signal, wasm: new URL('https://example.org/a.wasm') });
  const sum: Ref = await runtime.spawn(adder, 5, { name: 'sum' });
  const relay: Ref = await runtime.spawn('relay');
  runtime.send(relay, { $type: 'demo.Say', text: 'hi' });
  const total = await runtime.call<number>(sum, { by: 1 }, { timeout: 100, signal });
  const monitor = runtime.monitor(sum);
  await runtime.stop(sum, 'shutdown');
  const { reason } = await monitor.down;
  const link = runtime.connect('wss://example.org/troupe', {
    token: async () => 'ticket', reconnect: { min: 100 }, rights: ['sendNames', 'monitor'], expose: ['ui'],
  });
  const ready = await link.ready;
  for await (const status of link.changes({ signal })) {
    if (status.state === 'up') break;
  }
  const worker = await runtime.startWorker({ spawn: [['relay', undefined, { name: 'relay' }]] });
  try {
    await runtime.call(worker.ref('relay'), reason.text);
    await runtime.call(ready.ref('relay'), new Uint8Array(4));
  } catch (error) {
    if (isTroupeError(error, 'timeout')) return error.ref === undefined ? 0 : 1;
    if (error instanceof EncodeError) return error.path.length;
  }
  const maybe: unknown = total;
  if (isRef(maybe)) runtime.send(maybe, 1n);
  await runtime.close({ drain: 10 });
  return (await runtime.stats()).actors;
}
