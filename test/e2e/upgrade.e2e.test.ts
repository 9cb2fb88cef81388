/**
 * From the version before to this one, in the middle of the work: what it began is brought to its end, what it stored
 * reads the same, and either half of it works with the other half of this one. Differences that are meant are to be named
 * here, each in the comparison that it would fail; there is none.
 */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { testDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';
import { Machine, type Version } from './machine-of-versions.js';
import { EVENTS, goOn, isInTheMiddle, isOver } from './paused-plots.js';
import { checkpointsOf, markReadModels, schemaOf } from './stored.js';

const REASON = 'no more';

t.test('owl is upgraded', async (t) => {
  const root = testDirectory(t);
  let machines = 0;
  /** Their paths are equally long, so that their stories can be compared. */
  const machine = (t: Test, settings?: object): Machine => {
    machines += 1;
    const directory = join(root, `machine-${machines}`);
    mkdirSync(directory);
    return new Machine(t, directory, settings);
  };

  const undisturbed = await wholePlots(t, machine(t), 'new', 'new');
  t.match(undisturbed.finished, { row: { status: 'finished', exit_code: 0, progress: 100, wrote: 148 } });
  t.match(undisturbed.finished, { history: { length: EVENTS } });
  t.match(undisturbed.stopped, { row: { status: 'stopped', exit_signal: 'SIGTERM', remarks: REASON } });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await t.test(`plots of a supervisor and a talent that ended by ${signal} are taken over`, async (t) => {
      const here = machine(t);
      await here.start('talent', 'old');
      await here.start('supervisor', 'old');
      // One goes on over the upgrade, one ends while nobody is there, one is stopped after it.
      for (const taskId of ['task-a', 'task-b', 'task-c']) await here.order(taskId);
      for (const taskId of ['task-a', 'task-b']) await isInTheMiddle(here, taskId);
      await here.pausedOf('task-c');
      const [keeper] = here.programs('keeper');
      t.equal(keeper?.version, 'old');
      markReadModels(here.data);
      const before = { schema: schemaOf(here.data), checkpoints: checkpointsOf(here.data) };
      await here.stop('supervisor', signal);
      await here.stop('talent', signal);
      goOn(here, 'task-b');
      await until('its keeper has told its end', () =>
        existsSync(join(here.data, 'plots/task-b.1.end.json')),
      );

      await here.start('talent', 'new');
      isKept(t, here, before);
      await here.start('supervisor', 'new');
      t.strictSame(here.programs('keeper'), [keeper], 'the old keeper, and no other');
      await until('there is a log receiver', () => here.programs('log receiver').length === 1);
      t.equal(
        here.programs('log receiver')[0]?.version,
        signal === 'SIGTERM' ? 'new' : 'old',
        'one that outlived its supervisor says that it is of the same version, and goes on',
      );
      // One that the new supervisor has the old keeper start.
      await here.order('task-d');
      await here.stopPlot('task-c', REASON);
      for (const taskId of ['task-a', 'task-b', 'task-d']) await isOver(here, taskId);
      t.strictSame(here.programs('keeper'), [keeper], 'still the old keeper');
      await sameStory(t, here, { 'task-a': undisturbed.finished, 'task-b': undisturbed.finished });
      await sameStory(t, here, { 'task-c': undisturbed.stopped, 'task-d': undisturbed.finished });
      isKept(t, here, before);
      t.strictSame(here.complaintsOf('talent'), []);
      await here.end();
    });
  }

  const mixed = [
    { talent: 'new', supervisor: 'old' },
    { talent: 'old', supervisor: 'new' },
  ] as const;
  for (const { talent, supervisor } of mixed) {
    await t.test(`the ${supervisor} supervisor works for the ${talent} talent`, async (t) => {
      const stories = await wholePlots(t, machine(t), talent, supervisor);
      t.strictSame(stories.finished, undisturbed.finished);
      t.strictSame(stories.stopped, undisturbed.stopped);
    });
  }
});

/** Two plots on a machine of their own, both undisturbed: one to its end, one that is stopped in its middle. */
async function wholePlots(t: Test, here: Machine, talent: Version, supervisor: Version) {
  await here.start('talent', talent);
  await here.start('supervisor', supervisor);
  await here.order('task-a');
  await here.order('task-b');
  await here.pausedOf('task-b');
  for (const program of ['keeper', 'log receiver', 'plotter'] as const)
    for (const { version } of here.programs(program))
      t.equal(version, supervisor, `the ${program}'s version`);
  await here.stopPlot('task-b', REASON);
  await isOver(here, 'task-a');
  const stories = { finished: await here.storyOf('task-a'), stopped: await here.storyOf('task-b') };
  t.strictSame(here.complaintsOf('talent'), []);
  t.strictSame(here.complaintsOf('supervisor'), []);
  await here.end();
  return stories;
}

async function sameStory(t: Test, here: Machine, expected: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [taskId, story] of Object.entries(expected))
    t.strictSame(await here.storyOf(taskId), story, `${taskId} tells what an undisturbed plot tells`);
}

interface Kept {
  readonly schema: ReturnType<typeof schemaOf>;
  readonly checkpoints: ReturnType<typeof checkpointsOf>;
}

/** No table was made anew or changed, and no reader has begun anew. */
function isKept(t: Test, { data }: Machine, before: Kept): void {
  const schema = schemaOf(data);
  for (const [name, made] of before.schema) t.equal(schema.get(name), made, `${name} is as it was`);
  const checkpoints = checkpointsOf(data);
  for (const [reader, was] of before.checkpoints) {
    const is = checkpoints.get(reader);
    t.match(
      is,
      { version: was['version'], began: was['began'] },
      `the version of ${reader}, and where it began`,
    );
    t.ok(String(is?.['position']) >= String(was['position']), `${reader} has not gone back`);
  }
}
