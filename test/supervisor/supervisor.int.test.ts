/** A supervisor with everything real: talent, keeper, log receiver, plotter processes. */

import t from 'tap';
import { Farm, playerWith } from './farm.js';

t.test('a task becomes a plot', async (t) => {
  const farm = await Farm.start(t);
  await farm.supervise(playerWith('--seconds', '0'));
  await farm.order('one');
  const task = await farm.reaches('one', 'finished');
  t.match(task, { exit_code: 0, plot_details: { progress: 100 }, remarks: 'made by plotter player' });
  t.same(
    (await farm.history('one')).map(({ type }) => type).filter((type) => type !== 'PlotTaskReported'),
    ['PlotTaskReceived', 'PlotTaskPending', 'PlotTaskStarted', 'PlotTaskRunning', 'PlotTaskFinished'],
  );
});
