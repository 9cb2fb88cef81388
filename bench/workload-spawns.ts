/** Real jobs, each with an input, an output and a log, beside the same program in a bare loop of spawns: as many at once. */

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
import { line, whole } from './figures.js';
import { Part } from './part.js';

const AT_ONCE = 4;
const PROGRAM = '/bin/cp';

export async function compareWithSpawns(jobs: number): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'owl-spawns-'));
  try {
    const input = join(place, 'in');
    for (const name of ['in', 'out', 'bare']) mkdirSync(join(place, name));
    const names = Array.from({ length: jobs }, (_, n) => `f${n}.txt`);
    for (const name of names) writeFileSync(join(input, name), `${name}\n`);
    const bare = await bareSpawns(place, names);
    line(`${whole(jobs)} bare spawns, ${AT_ONCE} at once`, `${whole(bare)}/s`);
    const real = await realJobs(place, jobs);
    line(`${whole(jobs)} real jobs, ${AT_ONCE} slots`, `${whole(real)}/s`);
    line('  ratio', (real / bare).toFixed(2));
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

async function realJobs(place: string, jobs: number): Promise<number> {
  const data = join(place, 'node');
  const part = await Part.start('./server.js', { args: ['workload', data] });
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
    while ((await client.pilots({})).length === 0) await pause(50);
    const began = performance.now();
    const order = { executable: 'copy', device_type: 'cpu', mode: 'map', data_in_uid: uid };
    const { uid: task = '' } = await client.submit({
      ...order,
      data_out_url: `file://${join(place, 'out')}`,
    });
    while ((await client.task({ id: task })).state !== 'finished') await pause(20);
    return (jobs * 1000) / (performance.now() - began);
  } finally {
    client.close();
    const exit = once(pilot, 'exit');
    pilot.kill('SIGTERM');
    await exit;
    await part.stop();
  }
}
