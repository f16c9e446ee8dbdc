// Every public declaration says what it does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseHeader } from '../../toolchains/header-parser.mjs';
import { listFiles } from './files.mjs';

const FOLDERS = ['core/include', 'platform-native/include', 'platform-web/include',
  'tests/simulation/include'];

/** Returns { seen, findings } for the public headers at `root`. */
export function checkComments(root) {
  const findings = [];
  let seen = 0;
  for (const path of FOLDERS.flatMap((folder) => listFiles(root, folder, ['.h']))) {
    const { about, items } = parseHeader(readFileSync(join(root, path), 'utf8'));
    if (!about) {
      findings.push(`${path}: no @file comment says what it is for`);
    }
    for (const { name, comment, line } of items) {
      seen += 1;
      if (!comment) {
        findings.push(`${path}:${line}: ${name} has no comment`);
      }
    }
  }
  return { seen, findings };
}
