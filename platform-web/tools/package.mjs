// Makes the npm package: bundles and shrinks the ES modules, copies the rest, prints what it weighs.
// esbuild joins the modules and shortens names, terser then finds 6 % more.
//   node package.mjs <platform-web> <output> <version> <esbuild> <terser> <core.wasm> <core.mjs>
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { EVENT, OP } from '../js/record.mjs';

const [source, output, version, esbuild, terser, wasm, inlined] = process.argv.slice(2);
if (!inlined) {
  console.error('usage: node package.mjs <platform-web> <output> <version> <esbuild> <terser> <core.wasm> <core.mjs>');
  process.exit(2);
}

// Property names that never leave the bundle, so that they may be shortened. The wasm's exports and whatever a user
// or another realm sees is not among them.
const INTERNAL = [
  'Body', 'Context',
  'activate', 'argument', 'arm', 'attach', 'auth', 'behaviour', 'blob', 'body', 'bytes', 'callAs', 'change', 'crash', 'crashed',
  'ctx', 'current', 'depth', 'dialler', 'disown', 'element', 'end', 'ended', 'ending', 'extra', 'fail', 'failure',
  'fields', 'float', 'flush', 'handle', 'hasWork', 'head', 'integer', 'isAwaited', 'item', 'key', 'lost', 'middle',
  'monitors', 'more', 'names', 'nextId', 'numbers', 'options', 'own', 'parents', 'pending', 'pushEvents',
  'put', 'putBody', 'raw', 'read', 'reader', 'record', 'refuse', 'reportError', 'resume', 'room', 'seek', 'sendAs', 'sessions', 'settle',
  'settleReady', 'simple', 'start', 'stopped', 'tagged', 'takeOps', 'target', 'tick', 'types', 'utf8',
  'view', 'wake', 'words', 'work', 'write', 'writeAs', '[A-Z][A-Z_]+',
];

function run(program, args) {
  // Debian's terser finds its parts there.
  const NODE_PATH = [process.env.NODE_PATH, '/usr/share/nodejs'].filter(Boolean).join(':');
  execFileSync(program, args, { stdio: 'inherit', env: { ...process.env, NODE_PATH } });
}

// What a bundler of the user must not follow says so in a comment, which the tools drop.
function markDynamicImports(file) {
  const text = readFileSync(file, 'utf8');
  const marked = text.replace(/\bimport\((?=\w+\)|"node:)/g,
    'import(/* @vite-ignore */ /* webpackIgnore: true */ ');
  if (marked === text) {
    throw new Error(`${file}: the import of a worker's module is not where it was`);
  }
  writeFileSync(file, marked);
}

// Puts the numbers of operations and events in their places. Other constants, of which esbuild has made variables, become
// constants again, so that terser puts them in theirs.
function inlineNumbers(file) {
  const text = readFileSync(file, 'utf8').replace(/\b(OP|EVENT)\.([A-Z_]+)\b/g, (whole, list, name) => {
    const number = { OP, EVENT }[list][name];
    if (number === undefined) {
      throw new Error(`${whole} has no number`);
    }
    return number;
  });
  writeFileSync(file, text.replace(/^var (?=[A-Z][A-Z0-9_]* = [-\d])/gm, 'const '));
}

function bundle(entry) {
  const file = join(output, entry);
  const common = ['--bundle', '--external:node:crypto', '--format=esm', '--target=es2022', '--log-level=warning', `--outfile=${file}`, '--allow-overwrite'];
  run(esbuild, [join(source, 'js', entry), ...common]);
  inlineNumbers(file);
  run(esbuild, [file, '--minify', `--mangle-props=^(${INTERNAL.join('|')})$`,
    '--reserve-props=^MAX_SAFE_INTEGER$', ...common]);
  run(terser, [file, '--module', '--ecma', '2020', '--mangle', '--output', file,
    '--compress', 'passes=3,unsafe_arrows=true,pure_getters=true,hoist_props=true,keep_fargs=false']);
  markDynamicImports(file);
}

function report(name) {
  const bytes = readFileSync(join(output, name));
  console.log(`${name}: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} gzip`);
}

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
bundle('slim.mjs');
for (const file of ['index.mjs', 'index.d.ts', 'node.mjs', 'node-worker.mjs']) {
  copyFileSync(join(source, 'js', file), join(output, file));
}
copyFileSync(inlined, join(output, 'wasm.mjs'));
copyFileSync(wasm, join(output, 'core.wasm'));
copyFileSync(join(source, 'README.md'), join(output, 'README.md'));
copyFileSync(join(source, '../LICENSE'), join(output, 'LICENSE'));
const description = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
writeFileSync(join(output, 'package.json'), `${JSON.stringify({ ...description, version }, null, 2)}\n`);
['slim.mjs', 'core.wasm', 'wasm.mjs'].forEach(report);
