/**
 * Real jobs, each with an input, an output and a log, beside the same program in a bare loop of spawns: as many at once. Also what
 * of it is the beginning, where a slot's time goes, and what processor time each of the three processes takes.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { PACKAGE_ROOT } from '../src/base/package-root.js';
import { localTokenFile } from '../src/node/access/access-file.js';
import { WorkloadClient } from '../src/systems/workload/wire/workload-client.js';
import { type CpuTime, childOf, cpuTimesOf } from './cpu-times.js';
import { line, whole } from './figures.js';
import { Part } from './part.js';

const AT_ONCE = 4;
const PROGRAM = '/bin/cp';
const PROCESSES = ['the node', 'the pilot', 'its keeper', 'the payload'];

export async function compareWithSpawns(jobs: number): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'owl-spawns-'));
  try {
    const input = join(place, 'in');
    for (const name of ['in', 'out', 'bare']) mkdirSync(join(place, name));
    const names = Array.from({ length: jobs }, (_, n) => `f${n}.txt`);
    for (const name of names) writeFileSync(join(input, name), `${name}\n`);
    const bare = await bareSpawns(place, names);
    line(`${whole(jobs)} bare spawns, ${AT_ONCE} at once`, `${whole(bare)}/s`);
    tell(jobs, bare, await realJobs(place));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

async function bareSpawns(place: string, names: readonly string[]): Promise<number> {
  const began = performance.now();
  const left = [...names];
  const one = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop())
      await once(
        spawn(PROGRAM, [join(place, 'in', name), join(place, 'bare', name)], { stdio: 'ignore' }),
        'exit',
      );
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return (names.length * 1000) / (performance.now() - began);
}

/** Of one job, as its row has them: Unix seconds. */
interface JobTimes {
  readonly claimed: number;
  readonly started: number;
  readonly ended: number;
}

interface RealJobs {
  /** Unix seconds. */
  readonly ordered: number;
  /** From the order to the end of the task, seconds. */
  readonly took: number;
  readonly times: readonly JobTimes[];
  /** From the order on, as it went: first before it, last after the end. */
  readonly looks: readonly Look[];
}

interface Look {
  readonly finished: number;
  /** Of each of the processes. */
  readonly cpu: readonly CpuTime[];
}

function tell(jobs: number, bare: number, { ordered, took, times, looks }: RealJobs): void {
  const ends = times.map(({ ended }) => ended).sort((a, b) => a - b);
  const [first, last] = [Math.min(...times.map(({ started }) => started)), ends.at(-1) ?? 0];
  const middle = Math.floor(jobs / 2);
  const later = (jobs - 1 - middle) / (last - (ends[middle] ?? 0));
  line(`${whole(jobs)} real jobs, ${AT_ONCE} slots`, `${whole(jobs / took)}/s`);
  line('  ratio', (jobs / took / bare).toFixed(2));
  line('  from the first start on', `${whole(jobs / (last - first))}/s`, `${ms(first - ordered)} before it`);
  line('  the second half of them', `${whole(later)}/s`);
  line('  ratio of the second half', (later / bare).toFixed(2));
  const mean = (of: (one: JobTimes) => number) => times.reduce((sum, one) => sum + of(one), 0) / jobs;
  const staged = mean(({ claimed, started }) => started - claimed);
  const ran = mean(({ started, ended }) => ended - started);
  const all = ((last - first) * AT_ONCE) / jobs;
  line('  time of a slot for a job', ms(all));
  line('    claim to start; start to end; neither', ms(staged), `${ms(ran)}; ${ms(all - staged - ran)}`);
  const half = looks.find(({ finished }) => finished >= middle) ?? looks[0];
  PROCESSES.forEach((who, index) => {
    const used = (from: Look | undefined, of: (time: CpuTime) => number) => {
      const [before, after] = [from, looks.at(-1)].map((look) => look?.cpu[index]);
      if (before === undefined || after === undefined || from === undefined) return '';
      return ms((of(after) - of(before)) / (jobs - from.finished));
    };
    line(
      `  processor time of ${who}, a job`,
      used(looks[0], (time) => time.all),
      `${used(looks[0], ({ inKernel }) => inKernel)} in the kernel; ${used(half, (time) => time.all)} in the second half`,
    );
  });
}

function ms(seconds: number): string {
  return `${(seconds * 1000).toFixed(1)} ms`;
}

async function realJobs(place: string): Promise<RealJobs> {
  const data = join(place, 'node');
  const part = await Part.start('./server.js', { args: ['workload', data], profiled: true });
  const credentials = { token: { file: localTokenFile(data) } };
  const client = new WorkloadClient({ server: part.address, credentials, deadlineMs: 60_000 });
  writeFileSync(
    join(place, 'owl.yaml'),
    stringify({ workload: { executables: { copy: { argv: [PROGRAM, '{in}', '{out}'] } } } }),
  );
  const args = ['workload', 'pilot', 'run', '--device', 'cpu', '--slots', String(AT_ONCE)];
  const pilot = spawn(
    process.execPath,
    [join(PACKAGE_ROOT, 'dist/src/owl.js'), ...args, '--server', part.address, '--data', data],
    { cwd: place, env: { ...process.env, OWL_LOG_LEVEL: 'error' }, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  try {
    const { datasets = [] } = await client.register({
      datasets: [{ name: 'in', storage_url: `file://${join(place, 'in')}` }],
    });
    const uid = datasets[0]?.uid ?? '';
    await client.scan({ uid });
    await client.closeDataset({ uid });
    while ((await client.pilots().next()).done === true) await pause(50);
    const order = { executable: 'copy', device_type: 'cpu', mode: 'map', data_in_uid: uid };
    return await carriedOut(
      client,
      { ...order, data_out_url: `file://${join(place, 'out')}` },
      {
        node: part.pid,
        pilot: pilot.pid ?? 0,
      },
    );
  } finally {
    client.close();
    const exit = once(pilot, 'exit');
    pilot.kill('SIGTERM');
    await exit;
    await part.stop();
  }
}

async function carriedOut(
  client: WorkloadClient,
  order: object,
  { node, pilot }: { readonly node: number; readonly pilot: number },
): Promise<RealJobs> {
  const keeper = childOf(pilot, 'keeper');
  const look = (finished: number): Look => {
    const { own, ofChildren } = cpuTimesOf(keeper);
    return { finished, cpu: [cpuTimesOf(node).own, cpuTimesOf(pilot).own, own, ofChildren] };
  };
  const looks = [look(0)];
  const ordered = Date.now() / 1000;
  const { uid: task = '' } = await client.submit(order);
  let last = await client.task({ id: task });
  // Seldom: each answer takes of the node's time, and the end of the task is in its row.
  for (; last.state !== 'finished'; last = await client.task({ id: task })) {
    looks.push(look(last.jobs_finished ?? 0));
    await pause(200);
  }
  looks.push(look(last.jobs_finished ?? 0));
  const took = (last.end_time ?? 0) - ordered;
  const times: JobTimes[] = [];
  for await (const page of client.jobs({ task }))
    for (const { claimed_time: claimed = 0, time_start: started = 0, time_end: ended = 0 } of page)
      times.push({ claimed, started, ended });
  return { ordered, took, times, looks };
}
