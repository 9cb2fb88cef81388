/** A plot whose destination's disk is taken out before its end is told: what the log receiver makes of it. */

import { mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../../../src/base/clock.js';
import { startLogReceiver } from '../../../../src/systems/talent/log-receiver/log-receiver.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { logLines } from '../../../support/log-lines.js';
import { createTask, PlayedPlot, untilTask } from '../../../support/plotted.js';
import { runTalent } from '../../../support/running-talent.js';

const PLOT_ID = 'ab'.repeat(32);

/** A plot that has begun on a disk which was mounted at its destination, and has ended well. */
async function endOnLostDisk(t: Test) {
  const directory = t.testdir({ data: {}, dest: {} });
  const [data, dest] = [join(directory, 'data'), join(directory, 'dest')];
  const service = await runTalent(join(directory, 'talent'), { worker_id: 'worker' });
  const talent = new PlotManagerClient({ server: service.address });
  const receiver = startLogReceiver({
    ...{ machine: new TalentDirectory(data), server: service.address, version: 'test' },
    ...{ logger: logLines().logger, clock: systemClock, unwrittenEnds: async () => [] },
  });
  t.teardown(async () => {
    await receiver.stop();
    talent.close();
    await service.stop();
  });
  await createTask(talent, 'plot');
  const plot = new PlayedPlot(data, 'plot', 'chiapos');
  await plot.announce(talent);
  plot.change({ ksize: 18, dest_path: dest, dest_mount: dest, plot_id: PLOT_ID });
  const place = (): void => {
    const path = join(dest, `plot-k18-${PLOT_ID}.plot`);
    writeFileSync(path, '');
    truncateSync(path, 4_000_000);
  };
  return { plot, talent, dest, place };
}

t.test('its end waits for the disk, which the task says, and is told once that is back', async (t) => {
  const { plot, talent, dest, place } = await endOnLostDisk(t);
  plot.end({ exit_code: 0 });
  const says = `the disk at ${dest} is not mounted any more; its plot is looked for once it is mounted again`;
  const waiting = await untilTask(talent, 'plot', 'waits', ({ remarks }) => remarks === says);
  t.not(waiting.status, 'failed');
  // The mount point goes as well.
  renameSync(dest, `${dest}.aside`);
  t.not((await talent.status({ task_id: 'plot' })).status, 'failed');
  mkdirSync(dest);
  place();
  // As if a disk were mounted there: the test has none, so what was mounted then is told otherwise.
  plot.change({ dest_mount: '/' });
  const { remarks } = await untilTask(talent, 'plot', 'is finished', ({ status }) => status === 'finished');
  t.match(remarks, /^its plot is in its place/);
  t.notMatch(remarks, 'not mounted');
  const told: string[] = [];
  for await (const { data = '{}' } of talent.history({ task_id: 'plot' })) told.push(data);
  t.equal(told.filter((data) => data.includes('not mounted any more')).length, 1, 'once');
});

t.test('a plot that was placed in the mount point is finished, and where it lies is told', async (t) => {
  const { plot, talent, dest, place } = await endOnLostDisk(t);
  place();
  plot.end({ exit_code: 0 });
  const { remarks } = await untilTask(talent, 'plot', 'is finished', ({ status }) => status === 'finished');
  t.ok(
    remarks?.endsWith(
      `the disk at ${dest} is not mounted any more; its plot lies on the file system below that`,
    ),
    String(remarks),
  );
});

t.test('where its process ended badly nothing waits for a disk', async (t) => {
  const { plot, talent, dest } = await endOnLostDisk(t);
  rmSync(dest, { recursive: true });
  plot.end({ exit_code: 4 });
  t.match(await untilTask(talent, 'plot', 'has failed', ({ status }) => status === 'failed'), {
    exit_code: 4,
  });
});
