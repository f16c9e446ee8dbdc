// What ships to a page, gzipped, against a ceiling.
//
//   node gzip-size.mjs <name>=<ceiling in bytes>=<file>[,<file>...] ...
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { argv, exit } from 'node:process';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const size = (path) => gzipSync(readFileSync(path), { level: 9 }).length;

/** Checks groups of { name, ceiling, files }; returns { notes, findings }. */
export function checkSizes(groups) {
  const notes = [];
  const findings = [];
  for (const { name, ceiling, files } of groups) {
    const missing = files.filter((path) => !existsSync(path));
    if (missing.length > 0) {
      findings.push(`${name}: no such file: ${missing.join(', ')}`);
      continue;
    }
    const sizes = files.map((path) => [basename(path), size(path)]);
    const total = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
    const parts = sizes.length > 1 ? ` (${sizes.map(([file, bytes]) => `${file} ${bytes}`).join(', ')})` : '';
    notes.push(`${name}: ${total} bytes gzipped of at most ${ceiling}${parts}`);
    if (total > ceiling) {
      findings.push(`${name}: ${total - ceiling} bytes above the ceiling`);
    }
  }
  return { notes, findings };
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  const groups = argv.slice(2).map((argument) => {
    const [name, ceiling, files] = argument.split('=');
    return { name, ceiling: Number(ceiling), files: files?.split(',') ?? [] };
  });
  if (groups.length === 0 || groups.some(({ ceiling, files }) => !(ceiling > 0) || files.length === 0)) {
    console.error('usage: gzip-size.mjs <name>=<ceiling>=<file>[,<file>...] ...');
    exit(2);
  }
  const { notes, findings } = checkSizes(groups);
  for (const line of [...notes, ...findings]) {
    console.log(line);
  }
  exit(findings.length === 0 ? 0 : 1);
}
