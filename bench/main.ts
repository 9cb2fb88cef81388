/**
 * What a durable update costs, measured side by side in one run: the whole service and bare grpc-js answer the same
 * messages of the same load in turns, each server in a process of its own, and the ratio of the two is what counts; the
 * absolute figures belong to the machine. `npm run bench -- [SECONDS] [ROUNDS]`; with BENCH_PROFILE=DIR talent writes a CPU profile.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Load, type Run } from './load.js';
import type { ServerFigures } from './server.js';

const IN_FLIGHT = 64;
const STREAM_IN_FLIGHT = 1024;
const WARM_UP_SECONDS = 10;
const [seconds = 5, rounds = 5] = process.argv.slice(2).map(Number);
const profiling = process.env['BENCH_PROFILE'];

class Server {
  private readonly child: ChildProcess;
  readonly load: Load;

  private constructor(child: ChildProcess, address: string) {
    this.child = child;
    this.load = new Load(address);
  }

  static async start(kind: 'talent' | 'bare', data = ''): Promise<Server> {
    const execArgv =
      profiling === undefined || kind === 'bare' ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiling}`];
    const child = fork(fileURLToPath(new URL('./server.js', import.meta.url)), [kind, data], { execArgv });
    const told: { address: string } | undefined = await answerOf(child);
    if (told === undefined) throw new Error('the server told no address');
    return new Server(child, told.address);
  }

  async figures(): Promise<ServerFigures> {
    this.child.send('figures');
    const figures: ServerFigures | undefined = await answerOf(this.child);
    if (figures === undefined) throw new Error('no figures');
    return figures;
  }

  async stop(): Promise<void> {
    this.load.close();
    this.child.send('stop');
    await once(this.child, 'exit');
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The child's next message; an error when it ends instead. */
async function answerOf<T>(child: ChildProcess): Promise<T | undefined> {
  const ended = new AbortController();
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`the server ended with ${code}`);
  });
  try {
    const message = once(child, 'message', { signal: ended.signal }).then(([first]: T[]) => first);
    return await Promise.race([message, exit]);
  } finally {
    ended.abort();
    await exit.catch(() => undefined);
  }
}

interface Measured extends Run {
  /** Microseconds of CPU that the server used for one message. */
  readonly serverMicros: number;
}

interface SideBySide {
  readonly talent: readonly Measured[];
  readonly bare: readonly Measured[];
}

async function measure(server: Server, work: (load: Load) => Promise<Run>): Promise<Measured> {
  const before = await server.figures();
  const run = await work(server.load);
  const after = await server.figures();
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
  const perSecond = (run: Run) => run.messages / run.seconds;
  const ratios = talent.map((run, round) => perSecond(run) / perSecond(bare[round] ?? run));
  const cpu = (runs: readonly Measured[]) => `${median(runs.map((run) => run.serverMicros)).toFixed(0)} µs`;
  line(what, ...rate(talent.map(perSecond)));
  line('  the same messages answered by bare grpc-js', ...rate(bare.map(perSecond)));
  line('  ratio', median(ratios).toFixed(2), ratios.map((value) => value.toFixed(2)).join(' '));
  line('  CPU of the server for one message, talent and bare', cpu(talent), cpu(bare));
}

function line(what: string, figure: string, spread = ''): void {
  console.log(`${what.padEnd(66)} ${figure.padStart(10)}  ${spread}`);
}

function rate(values: readonly number[]): [string, string] {
  return [`${whole(median(values))}/s`, `${whole(Math.min(...values))} to ${whole(Math.max(...values))}`];
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

const data = mkdtempSync(join(tmpdir(), 'owl-bench-'));
const talent = await Server.start('talent', data);
const bare = await Server.start('bare');
let plots = 0;
try {
  console.log(`${rounds} rounds of ${seconds} s each, in turns; medians, and from lowest to highest\n`);
  // V8 compiles the hot path while it runs; figures of the first seconds are those of the compiler.
  for (const { load } of [talent, bare]) await load.updates(IN_FLIGHT, WARM_UP_SECONDS);

  for (const { load } of [talent, bare]) await load.reports(STREAM_IN_FLIGHT, WARM_UP_SECONDS / 5);
  const unary = await inTurns((load) => load.updates(IN_FLIGHT, seconds));
  const stream = await inTurns((load) => load.reports(STREAM_IN_FLIGHT, seconds));
  const after = await talent.figures();
  tell(`plot_task_update, ${IN_FLIGHT} in flight, durable: talent`, unary);
  line('  full life cycles', ...rate(unary.talent.map(({ plots, seconds }) => plots / seconds)));
  tell(`plot_task_report, one stream, ${STREAM_IN_FLIGHT} in flight, durable: talent`, stream);
  line('talent resident memory', `${Math.round(after.residentBytes / 2 ** 20)} MiB`);
  plots = [...unary.talent, ...stream.talent].reduce((sum, run) => sum + run.plots, 0);
} finally {
  await talent.stop();
  await bare.stop();
  // After the stop the log has been moved into the database file.
  if (plots > 0) line('bytes of store per finished task', whole(statSync(join(data, 'owl.db')).size / plots));
  rmSync(data, { recursive: true, force: true });
}
