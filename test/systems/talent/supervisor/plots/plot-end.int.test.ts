/** What is made of an end that nobody could write, and of a stop that came too late, with real files. */

import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock as clock } from '../../../../../src/base/clock.js';
import { findEnd } from '../../../../../src/processes/records/process-end.js';
import type { PlotEnd, PlotRecord } from '../../../../../src/systems/talent/machine/plot-record.js';
import { finishedAfterAll } from '../../../../../src/systems/talent/supervisor/plots/end-told.js';
import { plotsIn } from '../../../../support/plots-in.js';

const ID = 'ab'.repeat(32);
const { signal } = new AbortController();
const TOLD: PlotEnd = { exit_code: 3, exit_signal: null, ended_time: 5, unwritten: 'ENOSPC' };

/** Of a process that is long gone. */
function recordIn(data: string): PlotRecord {
  for (const name of ['plots', 'dest']) mkdirSync(join(data, name));
  return {
    ...{ task_id: 'one', attempt: 1, worker_id: 'worker', log_path: join(data, 'log'), format: 'chia' },
    ...{ argv: ['x'], started_time: 1, process: { pid: 1, boot_id: 'before', start_time: '1' } },
    ...{ announced: true, stopping: true, suspended: false, ksize: 18, cache1: '/c', cache2: '/c' },
    ...{ dest_path: join(data, 'dest'), plotter: 'x', temp: [], plot_id: ID },
  };
}

t.test('what a keeper has told before it was gone is written instead of a guess', async (t) => {
  const data = t.testdir();
  const record = recordIn(data);
  t.equal(
    findEnd(plotsIn(data), record, () => true, clock, TOLD),
    null,
    'by the keeper while there is one',
  );
  t.same(
    findEnd(plotsIn(data), record, () => false, clock, TOLD),
    TOLD,
  );
  t.same(plotsIn(data).readEnd(record), TOLD);
});

t.test('a plot that is in its place is not called stopped', async (t) => {
  const data = t.testdir();
  const record = recordIn(data);
  const stopped: PlotEnd = { exit_code: null, exit_signal: 'SIGTERM', ended_time: 5 };
  t.equal(await finishedAfterAll(record, stopped, { clock, signal }), undefined);
  const path = join(data, 'dest', `plot-k18-${ID}.plot`);
  writeFileSync(path, '');
  truncateSync(path, 4_000_000);
  t.match(await finishedAfterAll(record, stopped, { clock, signal }), {
    ...{ task_id: 'one', for_attempt: 1, status: 'finished', exit_signal: 'SIGTERM', finished_time: 5 },
    remarks: `finished before it was stopped: its plot is in its place (${path}, 4000000 bytes)`,
  });
  const away = { ...record, dest_path: join('/', 'x'.repeat(300)) };
  t.equal(
    await finishedAfterAll(away, stopped, { clock, signal }),
    undefined,
    'a stop does not wait for a disk',
  );
});
