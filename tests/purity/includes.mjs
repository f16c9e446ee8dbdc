// Who may include whom: the core stands on freestanding headers and string.h, its floors only on lower
// floors; a platform sees the public headers and itself; the demo sees public headers.
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { listFiles, mayUse, withoutComments } from './files.mjs';

const C_FILES = ['.c', '.h'];
const FREESTANDING = new Set([
  'float.h', 'iso646.h', 'limits.h', 'stdalign.h', 'stdarg.h', 'stdatomic.h', 'stdbool.h', 'stddef.h',
  'stdint.h', 'stdnoreturn.h', 'string.h',
]);

function includesOf(root, path) {
  const lines = withoutComments(readFileSync(join(root, path), 'utf8')).split('\n');
  return lines.flatMap((line, index) => {
    const found = /^\s*#\s*include\s+([<"])([^>"]+)[>"]/.exec(line);
    return found ? [{ line: index + 1, system: found[1] === '<', name: found[2] }] : [];
  });
}

function coreProblem(root, path, { system, name }) {
  const floor = path.startsWith('core/src/') ? path.split('/')[2] : null;
  if (system) {
    return FREESTANDING.has(name) ? null : `<${name}> is neither freestanding nor string.h`;
  }
  if (name.startsWith('troupe/')) {
    const known = existsSync(join(root, 'core/include', name)) || name === 'troupe/version.h';
    return known ? null : `"${name}" is not a public header of the core`;
  }
  if (!floor) {
    return `a public header includes "${name}"; only troupe/... is public`;
  }
  if (!existsSync(join(root, 'core/src', name))) {
    return `"${name}" is not in core/src; internal headers are named by floor and file`;
  }
  const target = name.split('/')[0];
  return mayUse(floor, target) ? null : `floor ${floor} may not use floor ${target} ("${name}")`;
}

// A folder outside the core: `own` are the folders in which its private headers are found.
function outsideProblem(root, path, own, publicFolders, { system, name }) {
  if (system) {
    return null;
  }
  if (name.startsWith('troupe/')) {
    const known = name === 'troupe/version.h' ||
      publicFolders.some((folder) => existsSync(join(root, folder, name)));
    return known ? null : `"${name}" is not a public header that this folder may see`;
  }
  if (name.split('/').includes('..')) {
    return `"${name}" leaves its folder`;
  }
  const local = [dirname(path), ...own].some((folder) => existsSync(join(root, folder, name)));
  return local ? null : `"${name}" is neither public nor this folder's own`;
}

function ownHeaderProblem(root, path, includes) {
  const header = path.replace(/\.c$/, '.h');
  const first = includes[0];
  if (!path.endsWith('.c') || !existsSync(join(root, header)) || !first) {
    return null;
  }
  return basename(first.name) === basename(header) ? null
    : `includes "${first.name}" before its own header`;
}

const OUTSIDE = [
  {
    folder: 'platform-native',
    own: ['platform-native/src', 'platform-native/src/cli', 'web-demo/actors'],
    publicFolders: ['core/include', 'platform-native/include'],
  },
  {
    folder: 'platform-web',
    own: ['platform-web/src'],
    publicFolders: ['core/include', 'platform-web/include'],
  },
  {
    folder: 'web-demo',
    own: ['web-demo/actors'],
    publicFolders: ['core/include', 'platform-web/include'],
  },
];

/** Returns { seen, findings } for the tree at `root`. */
export function checkIncludes(root) {
  const findings = [];
  let seen = 0;
  const visit = (path, problemOf) => {
    const includes = includesOf(root, path);
    seen += includes.length;
    for (const include of includes) {
      const problem = problemOf(include);
      if (problem) {
        findings.push(`${path}:${include.line}: ${problem}`);
      }
    }
    const order = ownHeaderProblem(root, path, includes);
    if (order) {
      findings.push(`${path}: ${order}`);
    }
  };
  for (const path of listFiles(root, 'core', C_FILES)) {
    visit(path, (include) => coreProblem(root, path, include));
  }
  for (const { folder, own, publicFolders } of OUTSIDE) {
    for (const path of listFiles(root, folder, C_FILES)) {
      visit(path, (include) => outsideProblem(root, path, own, publicFolders, include));
    }
  }
  return { seen, findings };
}
