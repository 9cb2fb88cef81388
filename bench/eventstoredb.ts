/**
 * What a durable update costs on EventStoreDB, measured side by side in one run: a talent on it, an append loop through
 * owl's adapter and a bare one through the client package, in turns, each in a process of its own. All store the same
 * events with the same number of appends under way. The ratio counts; the absolute figures belong to machine and store.
 *
 *   npm run bench:eventstoredb -- [SECONDS] [ROUNDS]
 *
 * The store is the server that OWL_TEST_EVENTSTORE names, which keeps what was written to it; otherwise it is the protocol
 * node of the tests, one for talent and one for the loops. With BENCH_PROFILE=DIR talent writes a CPU profile.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isTransient } from '../src/base/failure-kinds.js';
import { streamName } from '../src/runtime/event-store/event-store.js';
import { PlotManagerClient } from '../src/systems/talent/wire/plot-manager-client.js';
import type { AppendLoopQuestion } from './append-loop.js';
import { line, median, micros, rate, ratio, whole } from './figures.js';
import { Load, type Run } from './load.js';
import { updatesOf } from './messages.js';
import { Part } from './part.js';
import type { StoreCalls } from './store-node.js';

const IN_FLIGHT = 64;
/** Of 64 plots: as many appends are under way at the most. */
const REPORTS_IN_FLIGHT = 1024;
const WARM_UP_SECONDS = 10;
const [seconds = 5, rounds = 5] = process.argv.slice(2).map(Number);
const server = process.env['OWL_TEST_EVENTSTORE'];

interface Side<R extends Run = Run> {
  readonly part: Part;
  /** Undefined when the store is a real server. */
  readonly store: Part | undefined;
  readonly run: (seconds: number) => Promise<R>;
  /** What has to be there before, and is not measured. */
  readonly prepare?: (seconds: number) => Promise<void>;
}

/** What one message took. */
interface Measured extends Run {
  /** Microseconds of CPU. */
  readonly micros: number;
  readonly storeMicros: number;
  /** Calls to the store. */
  readonly appends: number;
  readonly reads: number;
}

interface TalentRun extends Run {
  /** So much later its read models held the last of it. */
  readonly readAfterMs: number;
}

interface Runs {
  readonly talent: (Measured & TalentRun)[];
  readonly stream: (Measured & TalentRun)[];
  readonly adapter: Measured[];
  readonly bare: Measured[];
}

async function measure<R extends Run>({ part, store, run, prepare }: Side<R>): Promise<R & Measured> {
  const cpuSeconds = async (of: Part | undefined) => (await of?.figures())?.cpuSeconds ?? 0;
  const figures = async () => {
    const calls = await store?.ask<StoreCalls>({});
    return { own: await cpuSeconds(part), store: await cpuSeconds(store), appends: 0, reads: 0, ...calls };
  };
  await prepare?.(seconds);
  const before = await figures();
  const ran = await run(seconds);
  const after = await figures();
  const forOne = (of: keyof typeof before) => (after[of] - before[of]) / ran.messages;
  return {
    ...ran,
    micros: forOne('own') * 1e6,
    storeMicros: forOne('store') * 1e6,
    appends: forOne('appends'),
    reads: forOne('reads'),
  };
}

/** Reports one plot from beginning to end; its task's id. */
async function reportOne(load: Load): Promise<string> {
  const taskId = await load.create();
  for (const update of updatesOf(taskId)) await load.call('plot_task_update', update);
  return taskId;
}

/** Until talent's read models hold what it has acknowledged: else that work would be done in the turn of another. Milliseconds. */
async function untilRead(talent: PlotManagerClient, taskId: string): Promise<number> {
  const begun = performance.now();
  for (;;) {
    try {
      await talent.status({ task_id: taskId });
      return performance.now() - begun;
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
  }
}

function tell(what: string, runs: readonly Measured[]): void {
  line(what, ...rate(perSecond(runs)));
  line('  CPU for one: its process', micros(runs.map((run) => run.micros)));
  if (server !== undefined) return;
  line('  CPU for one: the store', micros(runs.map(({ storeMicros }) => storeMicros)));
  line('  calls for one: appends', hundredths(runs.map(({ appends }) => appends)));
  line('  calls for one: reads', hundredths(runs.map(({ reads }) => reads)));
}

function hundredths(values: readonly number[]): string {
  return median(values).toFixed(2);
}

function readAfter(runs: readonly TalentRun[]): string {
  return `${whole(median(runs.map(({ readAfterMs }) => readAfterMs)))} ms`;
}

function perSecond(runs: readonly Run[]): number[] {
  return runs.map((run) => run.messages / run.seconds);
}

const data = mkdtempSync(join(tmpdir(), 'owl-bench-'));
const parts: Part[] = [];
const clients: { close(): void }[] = [];

async function start(script: string, options: Parameters<typeof Part.start>[1] = {}): Promise<Part> {
  const part = await Part.start(script, options);
  parts.push(part);
  return part;
}

try {
  const stores = server === undefined ? [await start('./store-node.js'), await start('./store-node.js')] : [];
  const [ofTalent, ofLoops] = stores;
  const addressOf = (store: Part | undefined) => store?.address ?? server ?? '';
  const envOf = (store: Part | undefined) => ({ BENCH_STORE: addressOf(store) });

  const part = await start('./server.js', { args: ['talent', data], env: envOf(ofTalent), profiled: true });
  const load = new Load(part.address);
  const client = new PlotManagerClient({ server: part.address });
  clients.push(load, client);
  const taskId = await reportOne(load);
  const talentWith = (work: (seconds: number) => Promise<Run>) => ({
    part,
    store: ofTalent,
    run: async (seconds: number) => {
      const run = await work(seconds);
      return { ...run, readAfterMs: await untilRead(client, taskId) };
    },
  });
  const talent = talentWith((seconds) => load.updates(IN_FLIGHT, seconds));
  const stream = {
    ...talentWith((seconds) => load.reports(REPORTS_IN_FLIGHT, seconds)),
    prepare: (seconds: number) => load.prepareReports(seconds),
  };
  const loopOf = async (kind: 'adapter' | 'client'): Promise<Side> => {
    const loop = await start('./append-loop.js', { args: [kind], env: envOf(ofLoops) });
    const plot = { plotStore: addressOf(ofTalent), plot: streamName('plot_task', taskId) };
    const question = { ...plot, inFlight: IN_FLIGHT };
    const run = (seconds: number) => loop.ask<Run>({ ...question, seconds } satisfies AppendLoopQuestion);
    return { part: loop, store: ofLoops, run };
  };
  const adapter = await loopOf('adapter');
  const bare = await loopOf('client');

  console.log(
    server === undefined
      ? 'the store is a double that speaks the protocol and has no disk; OWL_TEST_EVENTSTORE names a real server'
      : 'the store is the server that OWL_TEST_EVENTSTORE names',
  );
  console.log(
    `${rounds} rounds of ${seconds} s each, in turns, ${IN_FLIGHT} in flight; medians, and from lowest to highest\n`,
  );
  // V8 compiles the hot path while it runs; figures of the first seconds are those of the compiler.
  for (const { run } of [talent, adapter, bare]) await run(WARM_UP_SECONDS);
  await stream.run(WARM_UP_SECONDS / 5);

  const runs: Runs = { talent: [], stream: [], adapter: [], bare: [] };
  for (let round = 0; round < rounds; round++) {
    runs.talent.push(await measure(talent));
    runs.stream.push(await measure(stream));
    runs.adapter.push(await measure(adapter));
    runs.bare.push(await measure(bare));
  }
  tell('plot_task_update, durable: talent', runs.talent);
  line('  read models complete after the last one', readAfter(runs.talent));
  tell('plot_task_report, one stream, durable: talent', runs.stream);
  line('  read models complete after the last one', readAfter(runs.stream));
  tell('the same events, appended through the adapter', runs.adapter);
  tell('the same events, appended through @eventstore/db-client', runs.bare);
  line('ratio of updates to the bare loop', ...ratio(perSecond(runs.talent), perSecond(runs.bare)));
  line('ratio of reports to the bare loop', ...ratio(perSecond(runs.stream), perSecond(runs.bare)));
  line('ratio of the adapter to the bare loop', ...ratio(perSecond(runs.adapter), perSecond(runs.bare)));
} finally {
  for (const client of clients) client.close();
  for (const part of parts.reverse()) await part.stop();
  rmSync(data, { recursive: true, force: true });
}
