// The same in a page of a real Chromium: ping-pong, counting and fork-join on wasm; and how smoothly a page runs while actors take all the
// time they can get.
//
// usage: node bench/web/page.mjs [--rounds N] [--build DIR] [--write FILE]

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { launchBrowser, serveFiles } from '../../tests/support/browser.mjs';
import { describeMachine } from '../lib/machine.mjs';
import { summarise } from '../lib/runs.mjs';
import { replaceBetween, toMarkdown, toText, withSpread } from '../lib/table.mjs';

const { values: options } = parseArgs({
    options: {
        rounds: { type: 'string', default: '5' },
        build: { type: 'string', default: 'build' },
        write: { type: 'string' },
    },
});
const build = path.resolve(options.build, 'web-release');
const WORKLOADS = [['ping-pong round trip', 'pingpong', 1000000], ['counting', 'counting', 1000000],
    ['fork-join create', 'forkjoin', 300000]];

// The benchmark program of make bench, as a page runs it: it asks Node for the time that it used, which here is the wall's.
const programPage = `<!doctype html><title>bench</title><script>
var process = { cpuUsage: () => ({ user: performance.now() * 1000, system: 0 }) };
var Module = {
    arguments: location.search.slice(1).split('&'),
    print(line) { globalThis.result = line; },
};
</script><script src="/troupe_bench.js"></script>`;
const framesPage = '<!doctype html><title>frames</title><script type="module" src="/frames.mjs"></script>';

async function open(browser, url, before = async () => {}) {
    const tab = await browser.newPage();
    try {
        const context = await before(tab);
        await tab.goto(url);
        await tab.waitForFunction(() => globalThis.result !== undefined, null, { timeout: 60000 });
        return [await tab.evaluate(() => globalThis.result), context];
    } finally {
        await tab.close();
    }
}

async function nanoseconds(browser, origin, workload, n) {
    const [line] = await open(browser, `${origin}/bench.html?${workload}&${n}&1`);
    const ns = Number(String(line).split(' ')[4]);
    if (!(ns > 0)) throw new Error(`${workload}: ${line}`);
    return { ns };
}

async function main() {
    const root = mkdtempSync(path.join(tmpdir(), 'troupe-bench-'));
    cpSync(path.join(build, 'platform-web/package'), path.join(root, 'package'), { recursive: true });
    cpSync(path.join(build, 'tests/web/web_actors.wasm'), path.join(root, 'actors.wasm'));
    cpSync(path.join(build, 'bench/troupe_bench.js'), path.join(root, 'troupe_bench.js'));
    cpSync(new URL('../../tests/web/frames.mjs', import.meta.url), path.join(root, 'frames.mjs'));
    const server = await serveFiles(root, { '/bench.html': programPage, '/frames.html': framesPage });
    const browser = await launchBrowser();
    try {
        const runs = WORKLOADS.map(() => []);
        const frames = [];
        for (let round = 0; round < Number(options.rounds); round++) {
            for (const [k, [, workload, n]] of WORKLOADS.entries()) {
                runs[k].push(await nanoseconds(browser, server.origin, workload, n));
            }
            const [{ fps, share, longTasks }] = await open(browser, `${server.origin}/frames.html`);
            frames.push({ fps, share, longTasks });
        }
        const { fps, share, longTasks } = summarise(frames);
        const table = [['in a page of Chromium', 'median'],
            ...WORKLOADS.map(([name], k) => [`${name}, ns`, withSpread(summarise(runs[k]).ns)]),
            ['frames a second while actors take what they can', withSpread(fps)],
            ['the actors\' share of the thread meanwhile, %', withSpread(share)],
            ['tasks of more than 50 ms in these two seconds', withSpread(longTasks)]];
        console.log(toText(table));
        if (options.write) {
            const text = `${describeMachine()}; ${new Date().toISOString().slice(0, 10)}. Medians of ${options.rounds} runs.`;
            const content = `\n${text}\n\n${toMarkdown(table)}\n`;
            writeFileSync(options.write, replaceBetween(readFileSync(options.write, 'utf8'), 'page', content));
        }
    } finally {
        await browser.close();
        await server.close();
        rmSync(root, { recursive: true, force: true });
    }
}

await main();
