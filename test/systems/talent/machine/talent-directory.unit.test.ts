/** What other programs and other versions know a machine's files by: no name and no form of it may change. */

import t from 'tap';
import { PLOTS } from '../../../../src/systems/talent/machine/plot-record.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';

const ONE = { task_id: 'task.1', attempt: 2 };

t.test('every name in it is as it has always been', async (t) => {
  const { plots, ...machine } = new TalentDirectory('/data');
  t.strictSame(machine, {
    path: '/data',
    records: '/data/plots',
    logs: '/data/logs',
    keeperSocket: '/data/keeper.sock',
    keeperLock: '/data/keeper.lock',
    keeperLog: '/data/keeper.log',
    keeperDeadlines: '/data/keeper.deadlines.json',
    controlSocket: '/data/supervisor.sock',
    supervisorLock: '/data/supervisor.lock',
    logReceiverLock: '/data/log-receiver.lock',
    logReceiverIdentity: '/data/log-receiver.json',
    drainMark: '/data/drain',
    reportKey: '/data/report.key',
    places: '/data/places.json',
  });
  t.equal(plots.pathOf(ONE), '/data/plots/task.1.2.json');
  t.equal(plots.endPathOf(ONE), '/data/plots/task.1.2.end.json');
  t.equal(plots.logPathOf(ONE), '/data/logs/task.1.2.log');
});

t.test('so are mark and cgroup of a plot, which those find that were started before', async (t) => {
  t.strictSame(new TalentDirectory('/data').plots.markOf({ task_id: 'one', attempt: 1 }), {
    variable: 'OWL_PLOT',
    value: '/data/plots/one.1.json',
    cgroup: 'owl-plot-6e49cac480deb81af3bafb57eabf923a',
  });
});

t.test('a key is read from names and messages, and nothing else is', async (t) => {
  t.strictSame(PLOTS.keyNamed(PLOTS.nameOf(ONE)), ONE);
  t.strictSame(PLOTS.keyIn({ ...ONE, end: null }), ONE);
  for (const name of ['task', 'task.', 'task.x', '.1']) t.equal(PLOTS.keyNamed(name), undefined, name);
  t.equal(PLOTS.keyIn({ task_id: 'one', attempt: '1' }), undefined);
});
