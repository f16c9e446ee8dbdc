// Makes a wasm module's routines able to wait: runs Binaryen's Asyncify over it (platform-web/src/fiber.c), in place.
//
// usage: node asyncify.mjs <wasm-opt> <nm> <module.wasm> <optimisation level> <archive>... -- <object>...
//
// Rewritten is every function that may be on a routine's stack while it waits. Of an application that is whatever may
// reach the yield, also through pointers. Of Troupe's own archives it is only what reaches it by direct calls, so that
// handing a message to a behaviour costs nothing: the core calls nobody's code through a pointer below a routine but the
// body, and in the callbacks of a spawn or an exit nobody may wait.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

// What clang may have used; nothing in the file says so.
const FEATURES = ['--enable-bulk-memory', '--enable-sign-ext', '--enable-mutable-globals', '--enable-nontrapping-float-to-int'];

// What calls a body.
const BODIES = ['trpi_routine_main', 'trpi_coroutine_main'];

// A routine may wait in a send to a full mailbox. These call what sends too, but no routine ever waits in them: they are
// below every routine, or what they send is no message but a signal, for which there is always room.
const NEVER = ['trpi_actor_run', 'trpi_sched_step', 'trp_runtime_step', 'trpi_actor_finish', 'trpi_actor_end',
  'trpi_discard', 'trpi_settle', 'trpi_send_reply', 'trpi_actor_dispose', 'trpi_actor_dispose_last',
  'trpi_entry_give_up', 'trpi_room_asked', 'trpi_node_route', 'trp_spawn', 'trp_spawn_opt', 'trp_kill', 'trp_stop',
  'trp_monitor', 'trp_demonitor', 'trp_link', 'trp_unlink', 'trp_drain', 'trp_end', 'trp_reply', 'trp_reply_error',
  'trp_session_receive', 'trp_runtime_create', 'trp_runtime_destroy', 'trpi_stop_step'];

const EXPORTS = 7;

function fail(text) {
  console.error(`asyncify: ${text}`);
  process.exit(1);
}

function number(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) {
      return [value, at];
    }
  }
}

function encoded(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) {
    bytes.push((value & 127) | 128);
  }
  return [...bytes, value];
}

// The export section without the exports whose name `goes`.
function thinned(section, goes) {
  const kept = [];
  let [count, at] = number(section, 0);
  let left = 0;
  while (count-- > 0) {
    const [length, start] = number(section, at);
    const [, end] = number(section, start + length + 1);
    if (!goes(section.toString('utf8', start, start + length))) {
      kept.push(section.subarray(at, end));
      left++;
    }
    at = end;
  }
  return Buffer.concat([Buffer.from(encoded(left)), ...kept]);
}

function withoutExports(wasm, goes) {
  const parts = [wasm.subarray(0, 8)];
  for (let at = 8; at < wasm.length;) {
    const id = wasm[at];
    const [length, start] = number(wasm, at + 1);
    const body = wasm.subarray(start, start + length);
    const written = id === EXPORTS ? thinned(body, goes) : body;
    parts.push(Buffer.from([id, ...encoded(written.length)]), written);
    at = start + length;
  }
  return Buffer.concat(parts);
}

const separator = process.argv.indexOf('--');
const [optimiser, nm, file, level, ...archives] = process.argv.slice(2, separator);
const objects = process.argv.slice(separator + 1);
if (separator < 0 || archives.length === 0) {
  console.error('usage: node asyncify.mjs <wasm-opt> <nm> <module.wasm> <optimisation level> <archive>... -- <object>...');
  process.exit(2);
}

function run(program, ...options) {
  const { status, error, stdout, stderr } = spawnSync(program, options, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (error || status !== 0) {
    fail(`${program} failed on ${file}: ${error?.message ?? stderr}`);
  }
  return stdout;
}

const optimise = (...options) => run(optimiser, ...FEATURES, file, '-o', file, ...options);

const plain = (name) => name.replace(/\.\d+$/, '');

function countOf(names) {
  const counts = new Map();
  names.forEach((name) => counts.set(name, (counts.get(name) ?? 0) + 1));
  return counts;
}

// The functions that these files define, with how many have that name.
function defined(files) {
  const lines = files.length === 0 ? [] : run(nm, '--defined-only', ...files).split('\n');
  return countOf(lines.map((line) => line.match(/ [TtWw] (\S+)$/)?.[1]).filter(Boolean));
}

const list = (pass, names) => (names.length > 0 ? [`--pass-arg=asyncify-${pass}@${names.join(',')}`] : []);

// The module's functions as the optimiser calls them, which gives the second and third of a name numbers. Those of
// Troupe's are spared by name, unless one of the application may have the same.
const present = run(optimiser, ...FEATURES, '--nm', file).split('\n').map((line) => line.match(/^ +(\S+) : \d+$/)?.[1]).filter(Boolean);
const linked = countOf(present.map(plain));
const [ours, theirs] = [defined(archives), defined(objects)];
const own = present.filter((name) => linked.get(plain(name)) <= (ours.get(plain(name)) ?? 0) && !theirs.has(plain(name)));
if (own.length === 0) {
  fail(`${file} has no functions of Troupe's by name; link it with --profiling-funcs`);
}
const bodies = list('addlist', BODIES.filter((name) => present.includes(name)));
const common = ['--pass-arg=asyncify-ignore-imports', ...bodies, '--optimize-level=2'];

// First a trial, which tells what reaches the yield by direct calls.
const trial = run(optimiser, ...FEATURES, file, '-o', `${file}.trial`, ...common, '--pass-arg=asyncify-ignore-indirect',
  '--pass-arg=asyncify-verbose', ...list('removelist', NEVER.filter((name) => present.includes(name))), '--asyncify');
rmSync(`${file}.trial`);
const reaching = new Set([...trial.matchAll(/^\[asyncify\] (\S+) can change the state/gm)].map((match) => match[1]));
const spared = own.filter((name) => NEVER.includes(name) || !(reaching.has(name) || BODIES.includes(name)));
optimise(...common, ...list('removelist', spared), '--asyncify', '-g');
// What the pass exports for JavaScript is not used, and the yield may be inlined now.
writeFileSync(file, withoutExports(readFileSync(file), (name) => name.startsWith('asyncify_') || name === 'fiber_yield'));
optimise(level, '--strip-debug');
