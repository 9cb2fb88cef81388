/** Which logs go in time, and which never do. Real files, made to look old. */

import { mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { removeOldLogs } from '../../../src/processes/records/old-logs.js';
import {
  logsDirectory,
  type PlotKey,
  plotLogPath,
  plotRecordPath,
  plotsDirectory,
} from '../../../src/processes/records/process-record.js';
import { logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { PlayedPlot } from '../../support/plotted.js';
import { until } from '../../support/until.js';

const DAY_MS = 86_400_000;

function tidying(t: Test, keepDays = 30) {
  const data = t.testdir();
  mkdirSync(plotsDirectory(data));
  mkdirSync(logsDirectory(data));
  const clock = new ManualClock();
  const log = logLines();
  const ending = new AbortController();
  const touch = (path: string, days: number) => {
    const time = (clock.now() - days * DAY_MS) / 1000;
    utimesSync(path, time, time);
  };
  return {
    data,
    clock,
    log,
    write: (key: PlotKey, days: number) => {
      writeFileSync(plotLogPath(data, key), 'a line\n');
      touch(plotLogPath(data, key), days);
    },
    touch,
    logs: () => readdirSync(logsDirectory(data)).sort(),
    run: () => {
      const running = removeOldLogs({ data, keepDays, clock, logger: log.logger, signal: ending.signal });
      t.teardown(async () => {
        ending.abort();
        await running;
      });
    },
  };
}

t.test('logs go when they are old and their plots are settled', async (t) => {
  const { data, clock, log, write, touch, logs, run } = tidying(t);
  write({ task_id: 'old', attempt: 1 }, 31);
  write({ task_id: 'old', attempt: 2 }, 29);
  const suspended = new PlayedPlot(data, 'suspended', 'chia');
  touch(suspended.logPath, 400);
  mkdirSync(join(logsDirectory(data), 'directory.1.log'));
  writeFileSync(join(logsDirectory(data), 'notes.txt'), 'somebody keeps them here');
  for (const name of ['directory.1.log', 'notes.txt']) touch(join(logsDirectory(data), name), 400);
  run();
  await until('the first look is over', () => log.messages('info').length === 1);
  t.same(logs(), ['directory.1.log', 'notes.txt', 'old.2.log', 'suspended.1.log']);

  clock.advance(DAY_MS);
  await until('the second is', () => log.messages('info').length === 2);
  t.same(logs(), ['directory.1.log', 'notes.txt', 'suspended.1.log'], 'and every day again');
});

t.test('0 days keeps them for ever', async (t) => {
  const { data, clock, log, write, logs } = tidying(t);
  write({ task_id: 'old', attempt: 1 }, 4000);
  const { signal } = new AbortController();
  await removeOldLogs({ data, keepDays: 0, clock, logger: log.logger, signal });
  t.same(logs(), ['old.1.log']);
});

t.test('none goes while a record can not be read: it may be its log', async (t) => {
  const { data, clock, log, write, logs, run } = tidying(t);
  write({ task_id: 'torn', attempt: 1 }, 400);
  const torn = plotRecordPath(data, { task_id: 'torn', attempt: 1 });
  writeFileSync(torn, '{"task_id":');
  run();
  await until('it is told', () => log.messages('warn').length === 1);
  t.match(log.entries('warn'), [
    { reason: /which logs are still needed is not known: .*torn\.1\.json is no JSON/ },
  ]);
  t.same(logs(), ['torn.1.log']);
  rmSync(torn);
  clock.advance(DAY_MS);
  await until('it is removed', () => logs().length === 0);
});

t.test('what can not be removed is told, and the next day is another', async (t) => {
  const { data, clock, log, write, logs, run } = tidying(t);
  rmSync(logsDirectory(data), { recursive: true });
  symlinkSync('/nowhere/at/all', logsDirectory(data));
  run();
  await until('it is told', () => log.messages('warn').length === 1);
  rmSync(logsDirectory(data));
  mkdirSync(logsDirectory(data));
  write({ task_id: 'old', attempt: 1 }, 40);
  clock.advance(DAY_MS);
  await until('it is removed', () => logs().length === 0);
});
