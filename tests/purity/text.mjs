// Checks that read the sources as text: platform conditionals in the core, left-over markers, sizes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFiles, readLines, withoutComments } from './files.mjs';

const SOURCES = ['core', 'platform-native', 'platform-web', 'web-demo', 'tests', 'bench', 'toolchains'];
const TEXT_FILES = ['.c', '.h', '.mjs', '.js', '.ts', '.cmake', '.sh', 'CMakeLists.txt', '.html', '.css'];
const C_FILES = ['.c', '.h'];
const PLATFORM = /\b(__EMSCRIPTEN__|__wasm(32|64)?__|__linux__|__APPLE__|__(Free|Net|Open)BSD__|_WIN(32|64)|_MSC_VER|__unix__|__ANDROID__|__x86_64__|__aarch64__|__arm__|__i386__)\b/;
const MARKER = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`);
const FILE_LINES_MAX = 800;
const FUNCTION_LINES_NOTED = 60;

/** The core does not know what it runs on. */
export function checkConditionals(root) {
  const findings = [];
  const paths = listFiles(root, 'core', C_FILES);
  for (const path of paths) {
    withoutComments(readFileSync(join(root, path), 'utf8')).split('\n').forEach((line, index) => {
      const found = PLATFORM.exec(line);
      if (found) {
        findings.push(`${path}:${index + 1}: asks for the platform (${found[0]})`);
      }
    });
  }
  return { seen: paths.length, findings };
}

/** Nothing is left for later inside a file. */
export function checkMarkers(root) {
  const findings = [];
  const paths = SOURCES.flatMap((folder) => listFiles(root, folder, TEXT_FILES));
  for (const path of paths) {
    for (const { number, text } of readLines(root, path)) {
      const found = MARKER.exec(text);
      if (found) {
        findings.push(`${path}:${number}: left-over marker ${found[0]}`);
      }
    }
  }
  return { seen: paths.length, findings };
}

// Functions as clang-format lays them out: a line at the margin ends with `{`, the closing brace is alone.
function functionSizes(lines) {
  const sizes = [];
  let start = null;
  for (const { number, text } of lines) {
    if (start === null && /^[A-Za-z_].*\)\s*\{$|^\s.*\)\s*\{$/.test(text) && !/^\s*(if|for|while|switch|else|do)\b/.test(text)) {
      start = { number, text };
    } else if (text === '}' && start) {
      const name = /(\w+)\s*\(/.exec(start.text)?.[1] ?? start.text.trim();
      sizes.push({ name, lines: number - start.number + 1, at: start.number });
      start = null;
    }
  }
  return sizes;
}

/** A file above the limit is a finding; long functions are only told. */
export function checkSizes(root) {
  const findings = [];
  const notes = [];
  const all = [];
  const paths = SOURCES.flatMap((folder) => listFiles(root, folder, [...C_FILES, '.mjs', '.js', '.ts']));
  for (const path of paths) {
    const lines = readLines(root, path);
    if (lines.length - 1 > FILE_LINES_MAX) {
      findings.push(`${path}: ${lines.length - 1} lines; above ${FILE_LINES_MAX} it holds two concepts`);
    }
    const sizes = path.endsWith('.c') ? functionSizes(lines) : [];
    all.push(...sizes.map((size) => size.lines));
    notes.push(...sizes.filter((size) => size.lines > FUNCTION_LINES_NOTED)
      .map(({ name, lines: count, at }) => `${path}:${at}: ${name} has ${count} lines`));
  }
  all.sort((a, b) => a - b);
  const at = (share) => all[Math.floor((all.length - 1) * share)] ?? 0;
  notes.push(`${paths.length} files; ${all.length} functions, median ${at(0.5)} lines, 90 % within ${at(0.9)}`);
  return { seen: paths.length, findings, notes };
}
