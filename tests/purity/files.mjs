// What the checks share: walking the tree, and the shape of a finding.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The floors of the core, lowest first. Nodes reach local names, so they stand on the services. */
export const FLOORS = ['base', 'message', 'mailbox', 'sched', 'actor', 'service', 'node', 'runtime'];

/** May code of floor `from` depend on floor `to`? */
export function mayUse(from, to) {
  return FLOORS.indexOf(to) >= 0 && FLOORS.indexOf(to) <= FLOORS.indexOf(from);
}

/** Paths, relative to `root`, of the files below `root/folder` whose names end with one of `endings`. */
export function listFiles(root, folder, endings) {
  if (!existsSync(join(root, folder))) {
    return [];
  }
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      return entry.name === 'node_modules' ? [] : listFiles(root, path, endings);
    }
    return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
  }).sort();
}

/** Lines of a file, as { number, text }. */
export function readLines(root, path) {
  return readFileSync(join(root, path), 'utf8').split('\n')
    .map((text, index) => ({ number: index + 1, text }));
}

/** The text with comments blanked out; line numbers stay. */
export function withoutComments(text) {
  return text.replace(/\/\*[^]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"/g,
    (match) => (match.startsWith('"') ? match : match.replace(/[^\n]/g, ' ')));
}
