// Every numbered rule of docs/semantics.md names tests, and every test it names exists.
// Usage: node check-rules.mjs ROOT
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = process.argv[2];
const folder = join(root, 'tests/core');
const known = new Set();
for (const name of readdirSync(folder).filter((file) => file.endsWith('.c'))) {
  for (const [, test] of readFileSync(join(folder, name), 'utf8').matchAll(/\bstatic void (test_\w+)\(/g)) {
    known.add(test);
  }
}
const faults = [];
let rules = 0;
for (const line of readFileSync(join(root, 'docs/semantics.md'), 'utf8').split('\n')) {
  const rule = /^(\d+)\. /.exec(line);
  if (!rule) continue;
  rules++;
  if (Number(rule[1]) !== rules) faults.push(`rule ${rule[1]} should be ${rules}`);
  const tests = [...line.matchAll(/`(test_\w+)`/g)].map((match) => match[1]);
  if (tests.length === 0) faults.push(`rule ${rule[1]} names no test`);
  for (const test of tests) {
    if (!known.has(test)) faults.push(`rule ${rule[1]}: there is no ${test}`);
  }
}
if (rules < 50) faults.push(`only ${rules} rules were found`);
faults.forEach((fault) => console.error(fault));
console.log(`${rules} rules, ${known.size} tests, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
