/** How long running tasks still take, as talent tells every peer in whatever answer shows a task. */

import t from 'tap';
import type { PlotTaskStatus } from '../../../../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../../../../src/systems/talent/wire/plot-manager-client.js';
import { SUSPENDED } from '../../../../../src/systems/talent/wire/plot-states.js';
import { ManualClock } from '../../../../support/manual-clock.js';
import { runTalent } from '../../../../support/running-talent.js';
import { orderFor, startTalentNode } from '../../../../support/talent-node.js';
import { until } from '../../../../support/until.js';

t.test('earlier plots of the same size on the same machine tell it, else its own pace', async (t) => {
  const clock = new ManualClock();
  const { client, tasks } = await startTalentNode(t, { clock });
  const now = () => clock.now() / 1000;
  const begin = async (task_id: string, worker_id: string, ksize: number, seconds: number) => {
    await client.create(orderFor(task_id, { worker_id, plot_config: { ksize } }));
    await client.update({ task_id, status: 'running', running_time: now() - seconds });
  };
  for (const [index, seconds] of [1_000, 1_200, 90_000].entries()) {
    await begin(`k32-${index}`, 'here', 32, seconds);
    await client.update({ task_id: `k32-${index}`, status: 'finished', finished_time: now() });
  }
  await begin('k33', 'here', 33, 5_000);
  await client.update({ task_id: 'k33', status: 'finished', finished_time: now() });
  await begin('failed', 'here', 34, 10);
  await client.update({ task_id: 'failed', status: 'failed' });

  const running = async (task_id: string, worker_id: string, ksize: number, progress: number) => {
    await begin(task_id, worker_id, ksize, 300);
    await client.update({ task_id, plot_details: { progress } });
  };
  await running('a', 'here', 32, 50);
  await running('b', 'here', 33, 20);
  await running('elsewhere', 'there', 32, 50);
  await running('just begun', 'here', 34, 0);
  const expected = { a: 600, b: 4_000, elsewhere: 300 };
  const told = (all: readonly PlotTaskStatus[]) =>
    Object.fromEntries(
      all.flatMap(({ task_id = '', seconds_left }) =>
        seconds_left === undefined ? [] : [[task_id, seconds_left]],
      ),
    );

  t.strictSame(told((await client.list({ page_size: 1000 })).tasks ?? []), expected);
  t.strictSame(told(await tasks('plot_task_status_all')), expected);
  t.equal((await client.status({ task_id: 'a' })).seconds_left, 600);
  for await (const { task } of client.watch({ task_ids: ['a'] })) {
    t.equal(task?.seconds_left, 600);
    break;
  }

  // What has become known counts within a minute, and a report can't set it.
  await client.update({ task_id: 'elsewhere', status: 'finished', finished_time: now() + 300 });
  await running('next', 'there', 32, 50);
  await client.update({ task_id: 'next', seconds_left: 7 });
  clock.advance(60_000);
  const left = async (task_id: string) => (await client.status({ task_id })).seconds_left;
  t.equal(await left('next'), 240);
});

t.test(
  'it counts down to overdue, the same after a restart, and is blank while a plot is halted',
  async (t) => {
    const clock = new ManualClock();
    const directory = t.testdir();
    const talent = await runTalent(directory, {}, { clock });
    let client = new PlotManagerClient({ server: talent.address });
    t.teardown(async () => {
      client.close();
      await talent.stop();
    });
    const left = async () => (await client.status({ task_id: 'a' })).seconds_left;
    const advance = (seconds: number) => clock.advance(seconds * 1000);
    await client.create(orderFor('a'));
    const begun = clock.now();
    await client.update({ task_id: 'a', status: 'running', running_time: begun / 1000 });
    advance(100);
    await client.update({ task_id: 'a', plot_details: { progress: 50 } });
    t.equal(await left(), 100);
    advance(30);
    t.equal(await left(), 70);

    await talent.stop();
    client.close();
    await talent.start();
    client = new PlotManagerClient({ server: talent.address });
    t.equal(await left(), 70, 'a talent that was started again');
    // Another log receiver follows it: that is no news of its progress.
    await client.update({ task_id: 'a', log_pid: 77 });
    t.equal(await left(), 70);

    await talent.stop();
    client.close();
    advance(10);
    const restarted = clock.now();
    await talent.start();
    client = new PlotManagerClient({ server: talent.address });
    await until('it has looked into the history', async () => {
      // What was shown a moment ago is shown again.
      advance(1);
      return (await left()) === Math.round(60 - (clock.now() - restarted) / 1000);
    });
    advance(80);
    t.equal(await left(), 0, 'overdue');
    await client.update({ task_id: 'a', plot_details: { progress: 70 } });
    const pace = (clock.now() - begun) / 1000 / 70;
    t.equal(Math.round(Number(await left())), Math.round(30 * pace), 'it is slower than it was');
    await client.update({ task_id: 'a', remarks: SUSPENDED });
    t.equal(await left(), undefined);
    advance(1_000);
    await client.update({ task_id: 'a', remarks: 'resumed by the operator' });
    t.ok(Number(await left()) > 0, 'the time in which it was halted is not its own');
  },
);
