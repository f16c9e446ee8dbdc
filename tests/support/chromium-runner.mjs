// Runs wasm test programs in one headless Chromium, and hands the outcome of each to ctest.
//
//   node chromium-runner.mjs run <list> <results>   runs every program of the list file, whose lines are
//                                                   `name|seconds|program.js`; leaves <results>/<name>.json
//   node chromium-runner.mjs report <results> <name>  prints what that program printed and exits as it did
//
// `run` fails when the browser does not start or the list is empty; a program that fails, hangs or crashes
// is its own report's failure.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { launchBrowser, serveFiles } from './browser.mjs';

const CONCURRENCY = 2;
const EXIT_MARK = 'troupe-test-exit:';

// The page prints through the console, which the driver hears even while the program is busy.
function pageFor(script) {
  return `<!doctype html><title>test</title><link rel="icon" href="data:,"><script>
var Module = {
  print: (line) => console.log(line),
  printErr: (line) => console.log(line),
  onExit: (code) => console.log('${EXIT_MARK}' + code),
  onAbort: (what) => console.log('${EXIT_MARK}134 abort: ' + what),
};
</script><script src="${script}" onerror="console.log('${EXIT_MARK}127 no such program')"></script>`;
}

function readList(path) {
  return readFileSync(path, 'utf8').split('\n').filter(Boolean).map((line) => {
    const [name, seconds, program] = line.split('|');
    return { name, timeoutMs: Number(seconds) * 1000, program };
  });
}

// Resolves with { code, output } however the program ends.
async function runProgram(browser, { name, timeoutMs, program }) {
  const lines = [];
  const server = await serveFiles(dirname(program), { '/': pageFor(basename(program)) });
  const page = await browser.newPage();
  let timer;
  const code = await new Promise((resolve) => {
    const end = (code, line) => {
      if (line) {
        lines.push(line);
      }
      resolve(code);
    };
    timer = setTimeout(() => end(124, `${name}: no end within ${timeoutMs} ms`), timeoutMs);
    page.on('console', (message) => {
      const text = message.text();
      if (text.startsWith(EXIT_MARK)) {
        end(Number.parseInt(text.slice(EXIT_MARK.length), 10), text.split(' ').slice(1).join(' '));
      } else {
        lines.push(text);
      }
    });
    page.on('pageerror', (error) => end(1, `uncaught: ${error.stack ?? error}`));
    page.on('crash', () => end(139, `${name}: the page crashed`));
    page.goto(server.origin, { timeout: timeoutMs }).catch((error) => end(1, String(error)));
  });
  clearTimeout(timer);
  await page.close().catch(() => {});
  await server.close();
  return { code, output: `${lines.join('\n')}\n` };
}

async function run(listFile, results) {
  const programs = readList(listFile);
  if (programs.length === 0) {
    throw new Error(`${listFile} names no program: nothing would be tested`);
  }
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  const browser = await launchBrowser();
  console.log(`Chromium ${browser.version()}, ${programs.length} programs`);
  try {
    const queue = [...programs];
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const started = Date.now();
        const outcome = await runProgram(browser, next);
        writeFileSync(join(results, `${next.name}.json`), JSON.stringify(outcome));
        console.log(`${next.name}: exit ${outcome.code}, ${Date.now() - started} ms`);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  } finally {
    await browser.close();
  }
}

function report(results, name) {
  const { code, output } = JSON.parse(readFileSync(join(results, `${name}.json`), 'utf8'));
  process.stdout.write(output);
  process.exitCode = code;
}

const [command, ...rest] = process.argv.slice(2);
if (command === 'run' && rest.length === 2) {
  await run(...rest);
} else if (command === 'report' && rest.length === 2) {
  report(...rest);
} else {
  console.error('usage: chromium-runner.mjs run <list> <results> | report <results> <name>');
  process.exitCode = 2;
}
