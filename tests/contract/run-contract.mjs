// Runs every case of the host contract on a runtime that `createRuntime` makes from the module `wasm`, and says what failed. For Node
// and for browsers.

const CASES_MIN = 13;
const SKIPPED = 'hmac_is_right_where_there_is_one'; // the web host has none

// Each case gets an actor of its own; the first answer says how many there are.
async function runAll(runtime) {
  const results = [];
  for (let index = 0; index === 0 || index < results[0].cases; index++) {
    const ref = await runtime.spawn('contract');
    results.push(await runtime.call(ref, { $type: 'contract.Run', index }, { timeout: 40000 }));
  }
  return results;
}

/** Returns `{ ran, faults }`: how many cases ran, and a text for each that did not hold. */
export async function runContract(createRuntime, wasm, place) {
  const runtime = await createRuntime({ wasm, place, log() {} });
  const results = await runAll(runtime);
  await runtime.close(); // settles only when the runtime has answered DONE
  const faults = results.filter(({ passed }) => !passed).map(({ name, why }) => `${name}: ${why}`);
  const skipped = results.filter((result) => result.skipped).map(({ name }) => name);
  if (String(skipped) !== SKIPPED) {
    faults.push(`skipped: ${skipped}`);
  }
  if (results.length < CASES_MIN) {
    faults.push(`only ${results.length} cases`);
  }
  return { ran: results.length, faults };
}
