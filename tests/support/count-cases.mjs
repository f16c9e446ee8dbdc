// Counts the cases that the last ctest run of a build has seen pass, per host: what docs/testing.md says.
// Usage: node count-cases.mjs BUILD_DIR ...
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

// Suites of docs/semantics.md; those on real threads run natively only.
const SEMANTIC = /^test_(spawn|send|exit|name|offload|group|group_watch|monitor|link|filter|channel|channel_wait|request|delegation|timer|runtime|supervisor|allocation|routine|routine_end|output_port|resource|multi_call|coroutine|threads|routine_threads|channel_threads|group_threads|scripts|crowd)$/;

/** Passed cases of each test of a build, by the test's name. */
function casesOf(build) {
  const log = readFileSync(join(build, 'Testing/Temporary/LastTest.log'), 'utf8');
  const cases = new Map();
  for (const part of log.split(/^\d+\/\d+ Testing: /m).slice(1)) {
    const name = part.slice(0, part.indexOf('\n')).trim();
    const passed = /\[ {2}PASSED {2}\] (\d+) test/.exec(part);
    if (passed) cases.set(name, Number(passed[1]));
  }
  return cases;
}

let empty = false;
for (const build of process.argv.slice(2)) {
  const sums = {};
  for (const [name, count] of casesOf(build)) {
    const [, variant = '', suite] = /^(?:(two|chance|chromium)\.)?(.*)$/.exec(name);
    if (!SEMANTIC.test(suite)) continue;
    sums[variant] = (sums[variant] ?? 0) + count;
  }
  empty ||= Object.keys(sums).length === 0;
  const text = Object.entries(sums).map(([variant, sum]) => `${variant || 'as it is'} ${sum}`).join(', ');
  console.log(`${basename(build)}: ${text || 'no case has run'}`);
}
process.exit(empty || process.argv.length < 3 ? 1 : 0);
