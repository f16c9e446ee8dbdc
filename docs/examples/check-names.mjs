// Every name of the API that a text mentions is declared in a public header.
// usage: node check-names.mjs <root> <text>...
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const HEADERS = ['core/include/troupe', 'platform-native/include/troupe', 'platform-web/include/troupe', 'tests/simulation/include/troupe'];
const NAME = /\b(?:trp|TRP)_\w*\w/g;
const [root, ...texts] = process.argv.slice(2);

const known = new Set();
for (const folder of HEADERS) {
  for (const file of readdirSync(join(root, folder))) {
    const text = readFileSync(join(root, folder, file), 'utf8').replace(/\/\*.*?\*\//gs, ' ');
    for (const [name] of text.matchAll(NAME)) known.add(name);
    for (const [, name] of text.matchAll(/^ {4}X\((\w+), -?\d+/gm)) {
      known.add(`TRP_${name}`).add(`TRP_EXIT_${name}`).add(`TRP_TRACE_${name}`);
    }
  }
}
let failures = 0;
for (const text of texts) {
  const names = new Set([...readFileSync(join(root, text), 'utf8').matchAll(NAME)].map(([name]) => name));
  const unknown = [...names].filter((name) => !known.has(name));
  unknown.forEach((name) => console.error(`${text}: ${name} is in no public header`));
  if (names.size === 0) console.error(`${text}: names nothing of the API`);
  failures += unknown.length + (names.size === 0 ? 1 : 0);
  console.log(`${text}: ${names.size} names compared with ${known.size}`);
}
process.exit(failures === 0 && texts.length > 0 ? 0 : 1);
