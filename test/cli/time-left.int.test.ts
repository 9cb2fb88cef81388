/** How long running tasks still take, as a real talent's earlier tasks tell it. */

import { join } from 'node:path';
import t from 'tap';
import { TimeLeft } from '../../src/cli/time-left.js';
import { PlotManagerClient } from '../../src/wire/plot-manager-client.js';
import { createTask } from '../support/plotted.js';
import { runTalent } from '../support/running-talent.js';

const NOW = Math.floor(Date.now() / 1000);

t.test('the earlier plots of the same size on the same machine tell it, else its own pace', async (t) => {
  const service = await runTalent(join(t.testdir(), 'data'), { worker_id: 'here' });
  const talent = new PlotManagerClient({ server: service.address });
  t.teardown(async () => {
    talent.close();
    await service.stop();
  });
  const finish = async (task_id: string, seconds: number, ksize: number): Promise<void> => {
    await createTask(talent, task_id);
    const plot_details = { ksize };
    await talent.update({ task_id, status: 'running', running_time: NOW - seconds, plot_details });
    await talent.update({ task_id, status: 'finished', finished_time: NOW });
  };
  for (const [index, seconds] of [1_000, 1_200, 90_000].entries()) await finish(`k32-${index}`, seconds, 32);
  await finish('k33', 5_000, 33);

  const task = (task_id: string, ksize: number, progress: number, worker_id = 'here') => ({
    task_id,
    worker_id,
    status: 'running',
    running_time: NOW - 300,
    plot_details: { ksize, progress },
  });
  const left = await new TimeLeft(talent).of(
    [
      task('a', 32, 50),
      task('b', 33, 20),
      task('elsewhere', 32, 50, 'there'),
      task('just begun', 34, 0),
      { ...task('over', 32, 100), status: 'finished' },
    ],
    NOW * 1000,
  );
  t.strictSame(
    [...left],
    [
      ['a', 600],
      ['b', 4_000],
      ['elsewhere', 300],
    ],
  );
});
