/** Stopping what does not go by itself: processes left behind, those of another user, and plots whose record is lost. */

import t from 'tap';
import { identifyProcess } from '../../../../src/base/process-identity.js';
import { until } from '../../../support/until.js';
import { Farm, pausingPlayer } from '../support/farm.js';
import { runTalentApart } from '../support/talent-process.js';

/** A plot whose plotter runs this script and starts a child. @returns the child's pid, once it has said it */
async function startLeaver(farm: Farm, script: string): Promise<number> {
  await farm.supervise({
    name: 'leaver',
    argv: ['{node}', '-e', script],
    format: 'chiapos',
    temp: [],
    fills: [],
  });
  await farm.order('one');
  await farm.reaches('one', 'started');
  const childPid = (): number => Number(/child (\d+)/.exec(farm.logOf('one'))?.[1] ?? 0);
  await until('it has started a child', () => childPid() > 0);
  return childPid();
}

t.test('what a plotter has started and left behind is ended with it', async (t) => {
  const farm = await Farm.start(t);
  const child = 'setInterval(() => {}, 1000)';
  const parent = `
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { detached: true, stdio: 'ignore' });
    console.log('child ' + child.pid);
    setInterval(() => {}, 1000);`;
  const childPid = await startLeaver(farm, parent);
  await farm.client.stop({ task_id: 'one' });
  await farm.reaches('one', 'stopped');
  t.notOk(farm.processes().includes(childPid));
});

t.test('also when it has cleared its environment and does not hear SIGTERM', async (t) => {
  const farm = await Farm.start(t);
  const child =
    "process.on('SIGTERM', () => {}); console.log('child ' + process.pid); setInterval(() => {}, 1000)";
  const parent = `
    const { spawn } = require('node:child_process');
    spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { env: {}, stdio: 'inherit' });
    setInterval(() => {}, 1000);`;
  const childPid = await startLeaver(farm, parent);
  t.teardown(() => identifyProcess(childPid) !== undefined && process.kill(childPid, 'SIGKILL'));
  await farm.client.stop({ task_id: 'one' });
  t.match(await farm.reaches('one', 'stopped'), { exit_signal: 'SIGTERM' });
  t.equal(identifyProcess(childPid), undefined);
});

t.test(
  'a plotter that must not be signalled is told of, and tried again',
  { skip: process.getuid?.() === 0 ? false : 'only root can play another user' },
  async (t) => {
    const farm = await Farm.start(t, { run: (data) => runTalentApart(data) });
    const [owner, stranger] = [65_533, 65_534];
    const script = `process.setuid(${owner}); console.log('changed'); setInterval(() => {}, 1000)`;
    await farm.supervise(
      { name: 'other', argv: ['{node}', '-e', script], format: 'chiapos', temp: [], fills: [] },
      { grace_seconds: 0 },
    );
    await farm.order('one');
    await farm.reaches('one', 'started');
    await until('it runs as another user', () => farm.logOf('one').includes('changed'));
    process.seteuid?.(stranger);
    try {
      await farm.client.stop({ task_id: 'one' });
      await until('its remarks say so', async () =>
        /^process \d+ of it can't be ended \(kill EPERM\)/.test((await farm.task('one')).remarks ?? ''),
      );
    } finally {
      process.seteuid?.(0);
    }
    t.match(await farm.reaches('one', 'stopped'), { exit_signal: 'SIGKILL' });
    await until('the record is gone', () => farm.records().length === 0);
  },
);

t.test(
  'a stop of a task whose record is lost ends what runs of it, clears it away and says so',
  async (t) => {
    const farm = await Farm.start(t);
    const first = await farm.supervise(pausingPlayer(farm));
    await farm.order('one');
    const { plot_pid = 0 } = await farm.reachesPause('one');
    await first.stop();
    await until('the keeper is gone, or waits for its plot only', () => farm.records().length === 1);
    farm.loseRecord('one');
    await farm.supervise(pausingPlayer(farm));
    await farm.client.stop({ task_id: 'one' });
    t.match(await farm.reaches('one', 'stopped'), {
      remarks: 'its record was lost; 1 processes of it were killed',
    });
    t.notOk(farm.processes().includes(plot_pid));
    t.same(farm.files(), []);
  },
);

t.test('temp files stay while the process that has made them may still be at work', async (t) => {
  const farm = await Farm.start(t);
  const first = await farm.supervise(pausingPlayer(farm));
  await farm.order('one');
  await farm.reachesPause('one');
  await first.stop();
  await farm.client.update({ task_id: 'one', plot_pid: process.pid });
  farm.loseRecord('one');
  await farm.supervise(pausingPlayer(farm));
  await farm.client.stop({ task_id: 'one' });
  t.match(await farm.reaches('one', 'stopped'), {
    remarks: new RegExp(`its temp files stay, because process ${process.pid} may still be at work on them`),
  });
  t.equal(farm.files().length, 3);
});
