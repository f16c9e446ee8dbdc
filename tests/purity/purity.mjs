// Runs one check over the tree: exit code 0 when it saw something and found nothing.
//
//   node purity.mjs includes|conditionals|markers|comments|sizes <root>
//   node purity.mjs symbols <root> <archive> <nm>
import { checkComments } from './comments.mjs';
import { checkIncludes } from './includes.mjs';
import { checkSymbols } from './symbols.mjs';
import { checkConditionals, checkMarkers, checkSizes } from './text.mjs';

const CHECKS = {
  comments: checkComments,
  conditionals: checkConditionals,
  includes: checkIncludes,
  markers: checkMarkers,
  sizes: checkSizes,
  symbols: checkSymbols,
};

const [name, ...args] = process.argv.slice(2);
if (!CHECKS[name] || args.length === 0) {
  console.error(`usage: purity.mjs ${Object.keys(CHECKS).join('|')} <root> [<archive> <nm>]`);
  process.exit(2);
}
const { seen, findings, notes = [] } = CHECKS[name](...args);
for (const line of [...notes, ...findings]) {
  console.log(line);
}
console.log(`${name}: ${seen} looked at, ${findings.length} findings`);
process.exit(seen > 0 && findings.length === 0 ? 0 : 1);
