// Makes the npm package: bundles and shrinks the ES modules, copies the rest, prints what it weighs.
//   node package.mjs <platform-web> <output> <version> <esbuild> <core.wasm> <core.mjs>
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const [source, output, version, esbuild, wasm, inlined] = process.argv.slice(2);
if (!inlined) {
  console.error('usage: node package.mjs <platform-web> <output> <version> <esbuild> <core.wasm> <core.mjs>');
  process.exit(2);
}

// Property names that never leave the bundle, so that they may be shortened. The wasm's exports and whatever a user
// or another realm sees is not among them.
const INTERNAL = [
  'activate', 'argument', 'arm', 'attach', 'auth', 'behaviour', 'blob', 'bytes', 'callAs', 'change', 'count', 'crash', 'crashed',
  'ctx', 'current', 'depth', 'dialler', 'disown', 'element', 'ended', 'ending', 'extra', 'fail', 'failure', 'fields', 'float', 'flush',
  'forget', 'handle', 'hasWork', 'head', 'integer', 'isAwaited', 'key', 'lost', 'monitors', 'more', 'nextId', 'numbers', 'own',
  'parents', 'pending', 'pushEvents', 'put', 'putBody', 'raw', 'readField', 'record', 'refuse', 'reportError', 'resume', 'room',
  'run', 'sendAs', 'sessions', 'settle', 'settleReady', 'simple', 'skip', 'stopped', 'tagged', 'takeOps', 'under', 'utf8',
  'view', 'wake', 'words', 'work', 'writeAs', '[A-Z][A-Z_]+',
];

function bundle(entry, ...options) {
  execFileSync(esbuild, [
    join(source, 'js', entry), '--bundle', '--minify', '--format=esm', '--target=es2022', '--log-level=warning',
    `--outfile=${join(output, entry)}`, ...options,
  ], { stdio: 'inherit' });
}

function report(name) {
  const bytes = readFileSync(join(output, name));
  console.log(`${name}: ${bytes.length} bytes, ${gzipSync(bytes, { level: 9 }).length} gzip`);
}

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
bundle('slim.mjs', `--mangle-props=^(${INTERNAL.join('|')})$`, '--reserve-props=^MAX_SAFE_INTEGER$');
cpSync(join(source, 'js/index.mjs'), join(output, 'index.mjs'));
copyFileSync(inlined, join(output, 'wasm.mjs'));
copyFileSync(wasm, join(output, 'core.wasm'));
copyFileSync(join(source, 'js/index.d.ts'), join(output, 'index.d.ts'));
copyFileSync(join(source, 'README.md'), join(output, 'README.md'));
copyFileSync(join(source, '../LICENSE'), join(output, 'LICENSE'));
const description = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
writeFileSync(join(output, 'package.json'), `${JSON.stringify({ ...description, version }, null, 2)}\n`);
['slim.mjs', 'core.wasm', 'wasm.mjs'].forEach(report);
