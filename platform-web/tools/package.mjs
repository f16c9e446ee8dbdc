// Makes the npm package: bundles and shrinks the ES modules, copies the rest, prints what it weighs.
// esbuild joins the modules and shortens names, terser then finds 6 % more.
//   node package.mjs <platform-web> <output> <version> <esbuild> <terser> <core.wasm> <core.mjs>
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const [source, output, version, esbuild, terser, wasm, inlined] = process.argv.slice(2);
if (!inlined) {
  console.error('usage: node package.mjs <platform-web> <output> <version> <esbuild> <terser> <core.wasm> <core.mjs>');
  process.exit(2);
}

// Property names that never leave the bundle, so that they may be shortened. The wasm's exports and whatever a user
// or another realm sees is not among them.
const INTERNAL = [
  'activate', 'argument', 'arm', 'attach', 'auth', 'behaviour', 'blob', 'bytes', 'callAs', 'change', 'crash',
  'ctx', 'current', 'depth', 'dialler', 'disown', 'element', 'ended', 'ending', 'extra', 'fail', 'failure',
  'fields', 'float', 'flush', 'forget', 'handle', 'hasWork', 'head', 'integer', 'isAwaited', 'key', 'lost',
  'monitors', 'more', 'names', 'nextId', 'numbers', 'options', 'own', 'parents', 'pending', 'pushEvents',
  'put', 'putBody', 'raw', 'record', 'refuse', 'reportError', 'resume', 'room', 'sendAs', 'sessions', 'settle',
  'settleReady', 'simple', 'skip', 'stopped', 'tagged', 'takeOps', 'target', 'tick', 'types', 'under', 'utf8',
  'view', 'wake', 'words', 'work', 'writeAs', '[A-Z][A-Z_]+',
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

function bundle(entry) {
  const file = join(output, entry);
  run(esbuild, [join(source, 'js', entry), '--bundle', '--minify', '--format=esm', '--target=es2022',
    '--external:node:crypto', `--mangle-props=^(${INTERNAL.join('|')})$`, '--reserve-props=^MAX_SAFE_INTEGER$', '--log-level=warning',
    `--outfile=${file}`]);
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
