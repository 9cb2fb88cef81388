/** A supervisor of this version whose keeper is of the version before: that one goes on, and is asked for nothing it has not. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { PACKAGE_ROOT } from '../../../../src/base/package-root.js';
import { KeeperLink } from '../../../../src/processes/keeper/keeper-link.js';
import { connectLocally } from '../../../../src/processes/local-calls.js';
import { KEEPER_MAIN } from '../../../../src/systems/talent/machine/keeper-program.js';
import type { PlotKey, PlotStart } from '../../../../src/systems/talent/machine/plot-record.js';
import { plotsIn } from '../../../support/plots-in.js';
import { until } from '../../../support/until.js';
import { wakingClock as clock } from '../../../support/waking-clock.js';

const OLD_MAIN = join(PACKAGE_ROOT, 'test/fixtures/upgrade/package/src/supervisor/keeper-main.js');

t.test('an old keeper starts what it can, and refuses by name what it does not know', async (t) => {
  const data = t.testdir({ plots: {}, logs: {} });
  const plots = plotsIn(data);
  const ended: PlotKey[] = [];
  const link = new KeeperLink({
    ...{ records: plots, main: OLD_MAIN, clock, logger: pino({ level: 'silent' }) },
  });
  await link.open({ onEnded: (key) => ended.push(key) });
  const start: PlotStart = {
    ...{ task_id: 'one', attempt: 1, worker_id: 'worker', format: 'chiapos', plotter: 'script', ksize: 18 },
    ...{ announced: false, stopping: false, suspended: false, temp: [], plot_id: null },
    ...{ cache1: '/c', cache2: '/c', dest_path: '/d', environment: { PATH: '/usr/bin:/bin' } },
    argv: ['/bin/sh', '-c', 'echo "$OWL_PLOT"; exit 7'],
    log_path: plots.logPathOf({ task_id: 'one', attempt: 1 }),
  };
  const elsewhere = { ...start, cwd: '/', deadline_ms: clock.sinceBoot() + 1_000 };
  await t.rejects(link.start(elsewhere), {
    kind: 'unavailable',
    message: /the keeper of plots is of an earlier version of owl and knows no cwd, deadline_ms;/,
  });
  await t.rejects(link.renew(start, clock.sinceBoot() + 1_000), {
    kind: 'unavailable',
    message: /knows no renew/,
  });
  t.notOk(existsSync(start.log_path), 'nothing was started without what was asked for');
  t.match(await link.start(start), { task_id: 'one', argv: start.argv });
  await until('its end is told', () => ended.length === 1);
  t.strictSame(ended, [{ task_id: 'one', attempt: 1 }]);
  t.match(plots.readEnd(start), { exit_code: 7 });
  t.equal(readFileSync(start.log_path, 'utf8'), `${plots.pathOf(start)}\n`);
  await link.close();
  await until('the keeper has ended', () => !existsSync(plots.directory.keeperSocket));
});

t.test('what the new keeper answers is what an old supervisor reads', async (t) => {
  const data = t.testdir({ plots: {}, logs: {} });
  const plots = plotsIn(data);
  const link = new KeeperLink({
    ...{ records: plots, main: KEEPER_MAIN, clock, logger: pino({ level: 'silent' }) },
  });
  await link.open();
  const told: unknown[] = [];
  const peer = await connectLocally(plots.directory.keeperSocket, {
    hear: (event, what) => told.push([event, what]),
  });
  // All that the version before sends, and no more.
  const start = {
    ...{ task_id: 'one', attempt: 1, worker_id: 'worker', format: 'chiapos', plotter: 'script', ksize: 18 },
    ...{ announced: false, stopping: false, suspended: false, temp: [], plot_id: null },
    ...{ cache1: '/c', cache2: '/c', dest_path: '/d' },
    argv: ['/bin/sh', '-c', 'while [ ! -e go ]; do sleep 0.05; done'],
    log_path: plots.logPathOf({ task_id: 'one', attempt: 1 }),
  };
  t.strictSame(await peer.call('start', start), {});
  t.strictSame(await peer.call('list'), [{ task_id: 'one', attempt: 1 }]);
  const { started_time: _, process: __, cgroup: ___, ...written } = plots.read(start) ?? {};
  t.strictSame(written, start, 'its record is what it has always been');
  writeFileSync(join(data, 'go'), '');
  await until('its end is told', () => told.length === 1);
  t.strictSame(told, [['ended', { task_id: 'one', attempt: 1 }]]);
  peer.close();
  await link.close();
  await until('the keeper has ended', () => !existsSync(plots.directory.keeperSocket));
});
