/** Plots that a supervisor finds when it starts, and that nobody saw end: told by boot id, pid and start time. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { identifyProcess, type ProcessIdentity } from '../../../../src/base/process-identity.js';
import { recordedIdentityOf } from '../../../../src/processes/records/process-record.js';
import type { PlotRecord } from '../../../../src/systems/talent/machine/plot-record.js';
import { plotsIn } from '../../../support/plots-in.js';
import { until } from '../../../support/until.js';
import { Farm, playerWith } from '../support/farm.js';

/** As a supervisor and a keeper leave it that died while the plot was made by that process. */
async function leaveRecord(farm: Farm, process: ProcessIdentity): Promise<void> {
  await farm.order('one');
  const key = { task_id: 'one', attempt: 1 };
  await farm.client.update({ ...key, for_attempt: 1, status: 'started', plot_pid: process.pid });
  for (const name of ['plots', 'logs']) mkdirSync(join(farm.data, name), { recursive: true });
  writeFileSync(plotsIn(farm.data).logPathOf(key), 'the last line\n');
  const record: PlotRecord = {
    ...key,
    worker_id: farm.talent.workerId,
    log_path: plotsIn(farm.data).logPathOf(key),
    format: 'chiapos',
    argv: ['plotter'],
    started_time: Date.now() / 1000,
    process: recordedIdentityOf(process),
    announced: true,
    stopping: false,
    suspended: false,
    ksize: 18,
    cache1: farm.cache1,
    cache2: farm.cache2,
    dest_path: farm.dest,
    plotter: 'player',
    temp: [],
    plot_id: null,
  };
  plotsIn(farm.data).write(record);
}

function ownIdentity(): ProcessIdentity {
  const identity = identifyProcess(process.pid);
  if (identity === undefined) throw new Error('who am I?');
  return identity;
}

t.test('a pid that another process has now is not the plotter', async (t) => {
  const farm = await Farm.start(t);
  const own = ownIdentity();
  await leaveRecord(farm, { ...own, startTime: String(Number(own.startTime) - 1) });
  await farm.supervise(playerWith());
  t.equal(
    (await farm.reaches('one', 'failed')).remarks,
    `process ${process.pid} ended while no keeper watched it, and another one has its pid now; its exit code is unknown; its plot id was never known, so its file could not be looked for`,
  );
  await until('the record is gone', () => farm.records().length === 0);
});

t.test('a process of an earlier boot is not alive', async (t) => {
  const farm = await Farm.start(t);
  await leaveRecord(farm, { ...ownIdentity(), bootId: '00000000-0000-0000-0000-000000000000' });
  await farm.supervise(playerWith());
  t.match((await farm.reaches('one', 'failed')).remarks, /^the machine was restarted while it ran/);
});

t.test('the very process is watched on', async (t) => {
  const farm = await Farm.start(t);
  await leaveRecord(farm, ownIdentity());
  const supervisor = await farm.supervise(playerWith());
  await until('it is attached', () => supervisor.status().attached);
  t.match(supervisor.status().plots, [{ task_id: 'one', pid: process.pid, state: 'running' }]);
  await until('its use of CPU and memory is measured', () => (supervisor.status().plots[0]?.memory ?? 0) > 0);
  t.equal((await farm.task('one')).status, 'started');
});

t.test('what was left of plots that are settled goes when a supervisor starts', async (t) => {
  const farm = await Farm.start(t);
  await leaveRecord(farm, { ...ownIdentity(), startTime: '1' });
  for (const name of ['gone.1.end.json', `one.1.json.${process.pid}.tmp`])
    writeFileSync(join(farm.data, 'plots', name), '');
  await farm.supervise(playerWith());
  await farm.reaches('one', 'failed');
  await until('its record is gone', () => !farm.records().includes('one.1.json'));
  t.same(farm.records(), []);
});

t.test('a record that can not be read harms no other', async (t) => {
  const farm = await Farm.start(t);
  await leaveRecord(farm, { ...ownIdentity(), startTime: '1' });
  writeFileSync(join(farm.data, 'plots', 'broken.1.json'), '{');
  await farm.supervise(playerWith());
  await farm.reaches('one', 'failed');
  await until('the good one is settled', () => farm.records().length === 1);
  t.same(farm.records(), ['broken.1.json']);
});
