// Compares what the texts quote with the compiled files. A quote is a fenced block behind a line
// `<!-- quote: path -->`; it must be a part of that file, from line to line, `…` standing for what is left out.
// usage: node check-quotes.mjs <root> <text>...
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const QUOTE = /^<!-- quote: (\S+) -->\n```\w*\n([\s\S]*?)^```$/gm;
const [root, ...texts] = process.argv.slice(2);
let failures = 0;

function check(text, path, quote) {
  const source = `\n${readFileSync(join(root, path), 'utf8')}`;
  let at = 0;
  for (const part of quote.split(/^…\n/m)) {
    const found = source.indexOf(`\n${part}`, at);
    if (found < 0) {
      console.error(`${text}: not in ${path}:\n${part}`);
      failures++;
      return;
    }
    at = found + part.length;
  }
}

for (const text of texts) {
  const content = readFileSync(join(root, text), 'utf8');
  const quotes = [...content.matchAll(QUOTE)];
  const announced = content.match(/<!-- quote:/g)?.length ?? 0;
  if (quotes.length === 0 || quotes.length !== announced) {
    console.error(`${text}: ${announced} quotes announced, ${quotes.length} with a fenced block behind them`);
    failures++;
  }
  quotes.forEach(([, path, quote]) => check(text, path, quote));
  console.log(`${text}: ${quotes.length} quotes compared`);
}
process.exit(failures === 0 && texts.length > 0 ? 0 : 1);
