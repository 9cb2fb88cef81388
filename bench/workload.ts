/**
 * What workload can do: files are split into jobs, a pilot without processes finishes all of them, again with ten times as many; how
 * soon an idle pilot starts a new job, what pages cost, how long a restart takes, and jobs that wait to be cancelled; what pilots take
 * that only say that they are there; and real jobs beside a bare loop of spawns. Nodes in processes of their own, on the embedded
 * store.
 *
 *   npm run bench:workload -- [JOBS] [REAL] [--broker ADDRESS|start]
 *
 * JOBS (default 10,000) are of the smaller size, the larger one has ten times as many; REAL (default 400) are real ones. What has none
 * is left out. With `--broker` the smaller size is done over RabbitMQ as well, by a node of its own: at an address (the password in the file
 * that OWL_WORKLOAD_BROKER_PASSWORD_FILE names), or at one that is started for it.
 */

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { line, median, whole } from './figures.js';
import { machine } from './machine.js';
import { openBroker } from './workload-broker.js';
import { watchHeartbeats } from './workload-heartbeats.js';
import { Served } from './workload-node.js';
import { compareWithSpawns } from './workload-spawns.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { broker: { type: 'string' } },
});
const [jobs = 10_000, real = 400] = positionals.map(Number);
const SLOTS = 64;
const MIB = 1024 * 1024;

const data = mkdtempSync(join(tmpdir(), 'owl-workload-'));

console.log(machine());
try {
  if (jobs > 0) await measure();
  if (jobs > 0 && values.broker !== undefined) await measureOver(values.broker);
  if (jobs > 0) await watchHeartbeats();
  if (real > 0) await compareWithSpawns(real);
} finally {
  rmSync(data, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const small = await Served.start(data);
  await latencies(small);
  const [, smallRate] = await splitAndFinish(small, jobs);
  const [largeTask, largeRate] = await splitAndFinish(small, 10 * jobs);
  line(`time a job at ${whole(10 * jobs)} by that at ${whole(jobs)}`, (smallRate / largeRate).toFixed(2));
  await pages(small, largeTask);
  const { residentBytes } = await small.part.figures();
  line('memory of the node (RSS)', `${whole(residentBytes / MIB)} MiB`);
  const waiting = await small.order(10 * jobs);
  await untilSplit(small, waiting, 10 * jobs);
  await small.stop();
  const bytes = statSync(join(data, 'owl.db')).size;
  // Those that wait have no life yet: what they take counts as well.
  line('bytes of store a job, those that wait counted half', whole(bytes / (jobs * 11 + jobs * 5)));
  await restart(10 * jobs);
}

async function measureOver(where: string): Promise<void> {
  const broker = await openBroker(where);
  try {
    const served = await Served.start(join(data, 'over-broker'), broker);
    await latencies(served);
    await splitAndFinish(served, jobs);
    await served.stop();
  } finally {
    await broker.stop();
  }
}

async function untilSplit({ client }: Served, task: string, files: number): Promise<void> {
  while ((await client.task({ id: task })).jobs_total !== files) await pause(20);
}

/** @returns the uid of the task, and how many were finished in a second */
async function splitAndFinish(served: Served, files: number): Promise<[task: string, perSecond: number]> {
  const task = await served.order(files);
  const submitted = performance.now();
  await untilSplit(served, task, files);
  line(`${whole(files)} files are jobs`, perSecond(files, submitted));
  const pilot = await served.pilot({ name: 'bench', slots: SLOTS });
  const before = await served.cpuSeconds();
  const began = performance.now();
  while (pilot.finished < files) await pause(20);
  const rate = (files * 1000) / (performance.now() - began);
  const after = await served.cpuSeconds();
  line(`${whole(files)} jobs are finished by a pilot without processes${served.road}`, `${whole(rate)}/s`);
  const taken = after.map((seconds, i) => (((seconds - (before[i] ?? 0)) * 1000) / files).toFixed(2));
  line(`  of CPU a job: node, pilot${served.road}`, `${taken.join(', ')} ms`);
  while ((await served.client.task({ id: task })).state !== 'finished') await pause(20);
  await pilot.stop();
  return [task, rate];
}

/** From the answer to an order of one job to the answer that it has started. */
async function latencies(served: Served): Promise<void> {
  const pilot = await served.pilot({ name: 'idle', slots: 1 });
  const taken: number[] = [];
  for (let round = 0; round < 50; round++) {
    const task = await served.order(1);
    const answered = performance.now();
    while (pilot.finished <= round) await pause(1);
    for await (const page of served.client.jobs({ task }))
      for (const { uid = '' } of page) taken.push((pilot.startedAt.get(uid) ?? Number.NaN) - answered);
  }
  await pilot.stop();
  line(
    `order of one job to its start, idle pilot${served.road}: median, 95th percentile`,
    ...percentiles(taken, 0.95),
  );
}

/** From the order to the answer, and until the task is cancelled: each of its jobs is. */
async function cancelWaiting(served: Served, files: number): Promise<void> {
  const task = await served.order(files);
  await untilSplit(served, task, files);
  const { client, part } = served;
  const { cpuSeconds: before } = await part.figures();
  const asked = performance.now();
  await client.orderTask('cancel', { id: task });
  const answered = seconds(asked);
  while ((await client.task({ id: task })).state !== 'cancelled') await pause(20);
  line(`${whole(files)} waiting jobs are cancelled; the order was answered`, seconds(asked), answered);
  const { cpuSeconds } = await part.figures();
  line('  of CPU a job', `${(((cpuSeconds - before) * 1000) / files).toFixed(2)} ms`);
}

async function pages({ client }: Served, task: string): Promise<void> {
  const listed: number[] = [];
  const shown: number[] = [];
  for (let round = 0; round < 100; round++) {
    let asked = performance.now();
    for await (const _page of client.jobs({ task, page_size: 100 }, 100)) break;
    listed.push(performance.now() - asked);
    asked = performance.now();
    await client.task({ id: task });
    shown.push(performance.now() - asked);
  }
  line('page of 100 jobs: median, 99th percentile', ...percentiles(listed, 0.99));
  line('one task: median, 99th percentile', ...percentiles(shown, 0.99));
}

async function restart(waiting: number): Promise<void> {
  const began = performance.now();
  const served = await Served.start(data);
  await served.client.task({ id: '1' });
  line(`restart with ${whole(waiting)} jobs that wait, to the first answer`, seconds(began));
  const pilot = await served.pilot({ name: 'after', slots: SLOTS });
  while (pilot.finished === 0) await pause(5);
  line('  to the first job that is finished', seconds(began));
  await pilot.stop();
  for (const count of [Math.ceil(jobs / 10), jobs]) await cancelWaiting(served, count);
  await served.stop();
}

function percentiles(values: readonly number[], share: number): [figure: string, spread: string] {
  const sorted = values.toSorted((a, b) => a - b);
  const high = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return [`${median(values).toFixed(1)} ms`, `${high.toFixed(1)} ms`];
}

function perSecond(count: number, since: number): string {
  return `${whole((count * 1000) / (performance.now() - since))}/s`;
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
