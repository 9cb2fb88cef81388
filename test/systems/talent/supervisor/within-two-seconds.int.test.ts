/**
 * A plotter that ends is reported within two seconds: by a clock that the test moves, so that a busy machine changes
 * nothing. One second is the supervisor's, for an end that no keeper saw; half a second the log receiver's, for any end
 * that is recorded. The rest is for what takes its time by itself: talent, disks, the processor.
 */

import t, { type Test } from 'tap';
import { startLogReceiver } from '../../../../src/systems/talent/log-receiver/log-receiver.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { logLines } from '../../../support/log-lines.js';
import { ManualClock } from '../../../support/manual-clock.js';
import { createTask, PlayedPlot } from '../../../support/plotted.js';
import { runTalent } from '../../../support/running-talent.js';
import { testDirectory } from '../../../support/test-directory.js';
import { until } from '../../../support/until.js';
import { Farm, pausingPlayer } from '../support/farm.js';

const SUPERVISOR_MS = 1_000;
const LOG_RECEIVER_MS = 500;
const STEP_MS = 50;

/** Waits until it is so while the clock goes on, at the most for that long. It may take any time by other clocks. */
async function untilWithin(
  clock: ManualClock,
  longestMs: number,
  what: string,
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  let left = longestMs;
  await until(`${what} within ${longestMs} ms of the clock`, async () => {
    const step = Math.min(STEP_MS, left);
    left -= step;
    clock.advance(step);
    return await isSo();
  });
}

/** The clock goes on for as long as the work takes, and no faster than time: processes have to start meanwhile. */
async function whileMoving<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  let before = Date.now();
  const moving = until('the work is done', () => {
    const now = Date.now();
    clock.advance(now - before);
    before = now;
    return isDone;
  });
  const [result] = await Promise.all([done, moving]);
  return result;
}

async function startReceiver(
  t: Test,
): Promise<{ clock: ManualClock; plot: PlayedPlot; talent: PlotManagerClient }> {
  const data = testDirectory(t);
  const clock = new ManualClock(Date.now());
  const service = await runTalent(`${data}/data`);
  const talent = new PlotManagerClient({ server: service.address });
  const { logger } = logLines();
  const receiver = startLogReceiver({
    ...{ machine: new TalentDirectory(data), server: service.address },
    ...{ version: 'test', logger, clock },
  });
  t.teardown(async () => {
    await whileMoving(clock, receiver.stop());
    talent.close();
    await service.stop();
  });
  await createTask(talent, 'plot');
  const plot = new PlayedPlot(data, 'plot', 'chiapos');
  await plot.announce(talent);
  return { clock, plot, talent };
}

async function statusOf(talent: PlotManagerClient): Promise<string | undefined> {
  return (await talent.status({ task_id: 'plot' })).status;
}

t.test('the supervisor records the end of a plotter that vanished without a keeper', async (t) => {
  const farm = await Farm.start(t);
  const clock = new ManualClock(Date.now());
  const supervisor = await whileMoving(
    clock,
    farm.supervise(pausingPlayer(farm), { clock, lease_seconds: 60 }),
  );
  t.teardown(() => whileMoving(clock, supervisor.stop()));
  await farm.order('plot');
  const { plot_pid = 0 } = await whileMoving(clock, farm.reachesPause('plot'));
  await farm.kill(farm.pidOf('keeper-main.js'));
  await farm.kill(plot_pid);
  await t.resolves(
    untilWithin(clock, SUPERVISOR_MS, 'its end is recorded', () =>
      farm.records().includes('plot.1.end.json'),
    ),
  );
  await whileMoving(clock, farm.reaches('plot', 'failed'));
  await whileMoving(
    clock,
    until('it is settled', () => farm.records().length === 0),
  );
});

t.test('the log receiver reports an end that is recorded', async (t) => {
  for (const lastWords of ['', 'no line end']) {
    await t.test(lastWords === '' ? 'of a plotter that says nothing' : 'with its last words', async (t) => {
      const { clock, plot, talent } = await startReceiver(t);
      plot.print('Starting plotting progress into temporary dirs: a and b\n');
      await whileMoving(
        clock,
        until('it runs', async () => (await statusOf(talent)) === 'running'),
      );
      plot.print(lastWords);
      plot.end({ exit_signal: 'SIGKILL' });
      await t.resolves(
        untilWithin(clock, LOG_RECEIVER_MS, 'it failed', async () => (await statusOf(talent)) === 'failed'),
      );
    });
  }
});
