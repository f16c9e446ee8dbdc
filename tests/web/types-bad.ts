// Each marked line must be an error, or the compiler complains about the mark.
import { createRuntime, type Ref } from 'troupe';

export async function misuse(): Promise<void> {
  // @ts-expect-error place is one of two words
  const runtime = await createRuntime({ place: 'server' });
  // @ts-expect-error a behaviour has `receive`
  await runtime.spawn({ init: () => 1 });
  // @ts-expect-error a ref cannot be changed
  (await runtime.spawn('relay')).pid = 'x';
  // @ts-expect-error the addressee is a ref or a name
  runtime.send(42, 'to a number');
  // @ts-expect-error killed is not a reason one gives
  await runtime.stop('name', { kind: 'killed' });
  // @ts-expect-error spelling
  runtime.connect('ws://x', { rights: ['sendName'] });
  // @ts-expect-error whereis may find nobody
  const ref: Ref = await runtime.whereis('x');
  // @ts-expect-error timeout is a number
  await runtime.call(ref, 1, { timeout: '5s' });
}
