/**
 * What a durable update costs, measured side by side in one run: the whole service and bare grpc-js answer the same
 * messages of the same load in turns, each server in a process of its own, and the ratio of the two is what counts; the
 * absolute figures belong to the machine. `npm run bench -- [SECONDS] [ROUNDS] --rows embedded`; with BENCH_PROFILE=DIR talent writes a CPU profile.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { line, micros, rate, ratio } from './figures.js';
import { Load, type Run } from './load.js';
import { Part } from './part.js';
import { tellStoreBytes } from './store-bytes.js';

const IN_FLIGHT = 64;
const STREAM_IN_FLIGHT = 1024;
/** Enough for the optimizing compiler, unless it is only a try. */
const warmUpSeconds = (seconds: number) => Math.min(10, 5 * seconds);
const [seconds = 5, rounds = 5] = process.argv.slice(2).map(Number);

interface Server {
  readonly part: Part;
  readonly load: Load;
}

async function start(kind: 'talent' | 'bare', data = ''): Promise<Server> {
  const part = await Part.start('./server.js', { args: [kind, data], profiled: kind === 'talent' });
  return { part, load: new Load(part.address) };
}

async function stop({ part, load }: Server): Promise<void> {
  load.close();
  await part.stop();
}

interface Measured extends Run {
  /** Microseconds of CPU that the server used for one message. */
  readonly serverMicros: number;
}

interface SideBySide {
  readonly talent: readonly Measured[];
  readonly bare: readonly Measured[];
}

async function measure({ part, load }: Server, work: (load: Load) => Promise<Run>): Promise<Measured> {
  const before = await part.figures();
  const run = await work(load);
  const after = await part.figures();
  return { ...run, serverMicros: ((after.cpuSeconds - before.cpuSeconds) * 1e6) / run.messages };
}

async function inTurns(work: (load: Load) => Promise<Run>): Promise<SideBySide> {
  const sides = { talent: [] as Measured[], bare: [] as Measured[] };
  for (let round = 0; round < rounds; round++) {
    sides.talent.push(await measure(talent, work));
    sides.bare.push(await measure(bare, work));
  }
  return sides;
}

function tell(what: string, { talent, bare }: SideBySide): void {
  const perSecond = (runs: readonly Run[]) => runs.map((run) => run.messages / run.seconds);
  const cpu = (runs: readonly Measured[]) => micros(runs.map((run) => run.serverMicros));
  line(what, ...rate(perSecond(talent)));
  line('  the same messages answered by bare grpc-js', ...rate(perSecond(bare)));
  line('  ratio', ...ratio(perSecond(talent), perSecond(bare)));
  line('  CPU of the server for one message, talent and bare', cpu(talent), cpu(bare));
}

const data = mkdtempSync(join(tmpdir(), 'owl-bench-'));
const talent = await start('talent', data);
const bare = await start('bare');
try {
  console.log(`${rounds} rounds of ${seconds} s each, in turns; medians, and from lowest to highest\n`);
  // V8 compiles the hot path while it runs; figures of the first seconds are those of the compiler.
  for (const { load } of [talent, bare]) await load.updates(IN_FLIGHT, warmUpSeconds(seconds));

  for (const { load } of [talent, bare]) await load.reports(STREAM_IN_FLIGHT, warmUpSeconds(seconds) / 5);
  const unary = await inTurns((load) => load.updates(IN_FLIGHT, seconds));
  const stream = await inTurns((load) => load.reports(STREAM_IN_FLIGHT, seconds));
  const after = await talent.part.figures();
  tell(`plot_task_update, ${IN_FLIGHT} in flight, durable: talent`, unary);
  line('  full life cycles', ...rate(unary.talent.map(({ plots, seconds }) => plots / seconds)));
  tell(`plot_task_report, one stream, ${STREAM_IN_FLIGHT} in flight, durable: talent`, stream);
  line('talent resident memory', `${Math.round(after.residentBytes / 2 ** 20)} MiB`);
} finally {
  await stop(talent);
  await stop(bare);
  rmSync(data, { recursive: true, force: true });
}
await tellStoreBytes(Math.min(1_000, Math.ceil(200 * seconds)));
