// Writes the API reference from the comments of the public headers.
//
//   node reference.mjs <root>           writes docs/reference.md
//   node reference.mjs <root> --check   fails when docs/reference.md is not what would be written
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseHeader } from './header-parser.mjs';

// In the order in which one learns them; a header that is not named here comes last.
const PARTS = [
  ['Core', 'core/include/troupe', [
    'base.h', 'error.h', 'pid.h', 'exit.h', 'host.h', 'runtime.h', 'actor.h', 'message.h', 'type.h', 'codec.h',
    'cbor.h', 'bytes.h', 'request.h', 'filter.h', 'timer.h', 'name.h', 'group.h', 'monitor.h', 'link.h', 'ending.h', 'supervisor.h',
    'resource.h', 'channel.h', 'routine.h', 'offload.h', 'output_port.h', 'watch.h', 'node.h',
  ]],
  ['Native host', 'platform-native/include/troupe', ['native.h', 'native_tcp.h', 'native_http.h', 'native_terminal.h']],
  ['Web host', 'platform-web/include/troupe', ['web.h']],
  ['Simulation host', 'tests/simulation/include/troupe', ['sim.h']],
];

function headersOf(root, folder, order, list) {
  const rank = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  return list(join(root, folder))
    .filter((name) => name.endsWith('.h') && name !== 'troupe.h')
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((name) => join(root, folder, name));
}

// A declaration as one reads it: no export marks, function bodies left out.
function signature({ kind, text }) {
  let code = text.replace(/[ \t]*\\\n/g, ' \\\n');
  if (kind !== 'macro') {
    code = code.replace(/\bTRP_(API|NORETURN)\s+/g, '');
  }
  if (kind === 'function') {
    code = code.replace(/\)\s*\{[^]*\}$/, ');').replace(/^static inline\s+/, '');
  }
  return code.split('\n').map((line) => line.trimEnd()).join('\n');
}

// The error list is a macro; its rows are what a reader looks for.
function errorTable(text) {
  const rows = [...text.matchAll(/X\((\w+),\s*(-\d+),\s*"([^"]*)"\)/g)];
  return ['| code | value | text |', '|---|---|---|',
    ...rows.map(([, name, value, meaning]) => `| \`TRP_${name}\` | ${value} | ${meaning} |`)].join('\n');
}

// Macros that share a comment share a section.
function groups(items) {
  const result = [];
  for (const item of items) {
    const last = result.at(-1);
    if (last && item.kind === 'macro' && item.comment && last[0].comment === item.comment) {
      last.push(item);
    } else {
      result.push([item]);
    }
  }
  return result;
}

function groupSection(items, source) {
  const names = items.map(({ name }) => `\`${name}\``).join(', ');
  const lines = [`#### ${names}`, '', items[0].comment ?? '', ''];
  if (items[0].name === 'TRP_ERROR_LIST') {
    lines.push(errorTable(source), '');
  } else {
    lines.push('```c', ...items.map(signature), '```', '');
  }
  return lines;
}

function headerSection(path) {
  const source = readFileSync(path, 'utf8');
  const { about, items } = parseHeader(source);
  const lines = [`### troupe/${basename(path)}`, '', about, ''];
  return lines.concat(...groups(items).map((group) => groupSection(group, source)));
}

function reference(root) {
  const list = (folder) => (existsSync(folder) ? readdirSync(folder) : []);
  const lines = ['# API reference', '',
    'Made from the comments of the public headers by `toolchains/reference.mjs`; change it there.', ''];
  for (const [title, folder, order] of PARTS) {
    const headers = headersOf(root, folder, order, list);
    if (headers.length > 0) {
      lines.push(`## ${title}`, '', ...headers.flatMap(headerSection));
    }
  }
  return `${lines.join('\n').replace(/\n{3,}/g, '\n\n').trimEnd()}\n`;
}

const [root, mode] = process.argv.slice(2);
if (!root || (mode && mode !== '--check')) {
  console.error('usage: reference.mjs <root> [--check]');
  process.exit(2);
}
const target = join(root, 'docs/reference.md');
const text = reference(root);
if (mode === '--check') {
  const current = existsSync(target) ? readFileSync(target, 'utf8') : '';
  if (current !== text) {
    console.error('docs/reference.md is not up to date; run: node toolchains/reference.mjs .');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
console.log(`docs/reference.md: ${text.split('\n').length} lines`);
