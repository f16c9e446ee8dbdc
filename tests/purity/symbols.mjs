// What the core's archive needs from outside, which floor its objects reach for, and that it has no
// writable data. The linker's view cannot be talked around with a declaration.
import { execFileSync } from 'node:child_process';
import { basename } from 'node:path';
import { listFiles, mayUse } from './files.mjs';

// The functions of string.h that only look and copy; no locale, no state.
const ALLOWED = /^(mem(cpy|move|set|cmp|chr)|str(len|cmp|ncmp|chr)|_GLOBAL_OFFSET_TABLE_|__stack_pointer|__indirect_function_table|__memory_base|__table_base)$/;
// Arithmetic and atomics that a compiler may call for on some machines, and its stack protector.
const COMPILER = /^__(u?(div|mod|divmod|mul)[sdt]i[34]|(ashl|ashr|lshr)[dt]i3|(clz|ctz|popcount)[sdt]i2|aarch64_[a-z0-9_]+|stack_chk_fail)$/;

// One { object, name, defined, section } per symbol of the archive.
function readSymbols(nm, archive) {
  const text = execFileSync(nm, ['-A', '-f', 'sysv', archive], { encoding: 'utf8', maxBuffer: 1 << 26 });
  return text.split('\n').flatMap((line) => {
    const found = /:([^:|]+\.o(?:bj)?):\s*([^|]+?)\s*\|([^|]*)\|\s*(\S)\s*\|([^|]*)\|([^|]*)\|([^|]*)\|\s*(\S*)/
      .exec(line);
    if (!found) {
      return [];
    }
    const [, object, name, , kind, , , , section] = found;
    return [{ object, name, defined: !/[Uvw]/.test(kind), global: /[A-Z]/.test(kind), section }];
  });
}

function floorsByObject(root) {
  const floors = new Map();
  for (const path of listFiles(root, 'core/src', ['.c'])) {
    floors.set(`${basename(path)}.o`, path.split('/')[2]);
  }
  return floors;
}

function isWritable(section) {
  return /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/.test(section) && !section.startsWith('.data.rel.ro');
}

/** Returns { seen, findings } for an archive of the core whose sources are at `root`. */
export function checkSymbols(root, archive, nm = 'nm') {
  const floors = floorsByObject(root);
  const symbols = readSymbols(nm, archive);
  const homes = new Map();
  const findings = [];
  for (const { object, name, defined, global, section } of symbols) {
    if (defined) {
      if (global) {
        homes.set(name, object);
      }
      if (isWritable(section)) {
        findings.push(`${object}: ${name} is writable data (${section}); state belongs to the runtime`);
      }
    }
  }
  for (const { object, name, defined } of symbols) {
    const home = homes.get(name);
    if (defined) {
      continue;
    }
    if (home === undefined) {
      if (!ALLOWED.test(name) && !COMPILER.test(name)) {
        findings.push(`${object}: needs ${name} from outside`);
      }
    } else if (!mayUse(floors.get(object), floors.get(home))) {
      findings.push(`${object}: floor ${floors.get(object)} calls ${name} of floor ${floors.get(home)}`);
    }
  }
  return { seen: symbols.length, findings };
}
