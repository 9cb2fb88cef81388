/**
 * From the version before to this one, in the middle of the work: what it began is brought to its end, what it stored
 * reads the same, and either half of it works with the other half of this one. Differences that are meant are to be named
 * here, each in the comparison that it would fail; there is none.
 */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { untilTask } from '../support/plotted.js';
import { testDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';
import { Machine, type Version } from './machine-of-versions.js';
import { EVENTS, goOn, isInTheMiddle, isOver } from './paused-plots.js';
import { checkpointsOf, markReadModels, readModelsOf, schemaOf, storedEvents } from './stored.js';

// On a busy machine a dozen starts of services take their time.
t.setTimeout(240_000);
// Each machine is on its own, and much of it is waiting.
t.jobs = 2;

const REASON = 'no more';

t.test('owl is upgraded', { buffered: true }, async (t) => {
  t.jobs = 2;
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
    t.test(
      `plots of a supervisor and a talent that ended by ${signal} are taken over`,
      { buffered: true },
      async (t) => {
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
        // One of before that outlived its supervisor has no key to report with.
        await until('it is a new one', () => here.programs('log receiver')[0]?.version === 'new');
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
      },
    );
  }

  const mixed = [
    { talent: 'new', supervisor: 'old' },
    { talent: 'old', supervisor: 'new' },
  ] as const;
  for (const { talent, supervisor } of mixed) {
    t.test(`the ${supervisor} supervisor works for the ${talent} talent`, { buffered: true }, async (t) => {
      const stories = await wholePlots(t, machine(t), talent, supervisor);
      t.strictSame(stories.finished, undisturbed.finished);
      t.strictSame(stories.stopped, undisturbed.stopped);
    });
  }
});

t.test('what was stored before reads the same, and goes on', { buffered: true }, async (t) => {
  const root = testDirectory(t, { machine: {} });
  const here = new Machine(t, join(root, 'machine'));
  await here.start('talent', 'old');
  await storeSomeOfAll(here);
  const told = await toldBy(here, 'old');
  t.match(statusesIn(told.list), STORED);
  t.match(told.node, { timers: { pending: 3 } });
  await here.stop('talent');
  markReadModels(here.data);
  const before = { schema: schemaOf(here.data), checkpoints: checkpointsOf(here.data) };
  const events = storedEvents(here.data);
  const readModels = readModelsOf(here.data);
  t.equal(readModels['actor_snapshots']?.length, 3, 'a snapshot of each plot with a long history');
  t.strictSame(readModels['parked_events'], []);

  await here.start('talent', 'new');
  const now = await toldBy(here, 'new');
  t.strictSame(now.list, told.list, 'the list of all tasks');
  t.strictSame(now.histories, told.histories, 'the history of each task');
  t.strictSame(now.supervisors, told.supervisors, 'the supervisors');
  // When a lost supervisor is given up is no timer any more, so none is pending.
  t.match(now.node, { ...told.node, timers: {} }, 'the status of the node; there may be more readers');
  t.strictSame(await listedBy(here, 'old'), told.list, 'as the old command prints it');
  t.strictSame(storedEvents(here.data), events, 'every byte of every event');
  t.strictSame(readModelsOf(here.data), readModels, 'every row that was made of them, and the snapshots');
  isKept(t, here, before);

  // Each task takes what it could be told before, and those with a snapshot need not be replayed for it.
  await here.talent.attach({ worker_id: 'away', session_id: 'again', lease_seconds: 3600 });
  await untilTask(here.talent, 'lost', 'is lost no more', ({ remarks }) => remarks !== told.lostRemarks);
  for (const taskId of ['ended', 'failed', 'halted'])
    t.match(await here.talent.retry({ task_id: taskId }), { is_success: true }, `${taskId} is ordered again`);
  for (const taskId of ['waits', 'queues'])
    t.match(await here.talent.stop({ task_id: taskId }), { is_success: true }, `${taskId} is stopped`);
  const report = { task_id: 'lost', for_attempt: 1, plot_details: { progress: 50 } };
  t.match(await here.talent.update(report), { is_success: true }, 'news of a plot that was lost');
  t.strictSame(readModelsOf(here.data)['actor_snapshots'], readModels['actor_snapshots'], 'none was refused');
  t.strictSame(storedEvents(here.data, events.count), events, 'what was stored before is as it was');
  t.match(statusesIn(await listedBy(here, 'new')), {
    ...{ ended: 'received', failed: 'received', halted: 'received' },
    ...{ waits: 'stopped', queues: 'stopped', lost: 'running' },
  });
  t.strictSame(here.complaintsOf('talent'), []);
  await here.end();
});

/** What `storeSomeOfAll` leaves. */
const STORED = {
  ...{ ended: 'finished', failed: 'failed', halted: 'stopped' },
  ...{ waits: 'received', queues: 'pending', lost: 'running' },
};

/**
 * Tasks in every kind of state: three that a supervisor has had, which is gone again; two that wait for one; one whose
 * supervisor is lost, so that it will fail at a certain time.
 */
async function storeSomeOfAll(here: Machine): Promise<void> {
  await here.start('supervisor', 'old');
  for (const taskId of ['ended', 'failed', 'halted']) await here.order(taskId);
  for (const taskId of ['failed', 'halted']) await here.pausedOf(taskId);
  const { plot_pid = 0 } = await here.talent.status({ task_id: 'failed' });
  process.kill(plot_pid, 'SIGKILL');
  await here.ask('old', 'plot', 'stop', 'halted', '--reason', REASON);
  for (const taskId of ['ended', 'failed']) await isOver(here, taskId);
  await untilTask(here.talent, 'halted', 'is stopped', ({ status }) => status === 'stopped');
  await here.stop('supervisor');

  const { talent } = here;
  for (const taskId of ['waits', 'queues', 'lost']) await here.order(taskId, 'away');
  await talent.attach({ worker_id: 'away', session_id: 'once', host: 'shed', pid: 7, lease_seconds: 1 });
  await talent.update({ task_id: 'queues', status: 'pending', remarks: 'no room' });
  for (const status of ['pending', 'started', 'running'])
    await talent.update({ task_id: 'lost', status, plot_pid: 8, plot_details: { progress: 40 } });
  await untilTask(talent, 'lost', 'is lost', ({ remarks = '' }) => /lost|silent|not heard/.test(remarks));
}

/** All that a talent tells of what is stored; what it tells of its own run is left out. */
async function toldBy(here: Machine, version: Version) {
  const list = await listedBy(here, version);
  const histories: Record<string, unknown[]> = {};
  for (const taskId of Object.keys(STORED)) {
    const events: unknown[] = [];
    for await (const event of here.talent.history({ task_id: taskId })) events.push(event);
    histories[taskId] = events;
  }
  const status = await here.withNode((node) => node.status());
  const readers = (status.readers ?? []).map(({ behind_seconds: _behind, ...reader }) => reader);
  const node = {
    ...{ worker_id: status.worker_id, caught_up: status.caught_up, share: status.share },
    timers: status.timers,
    readers: Object.fromEntries(readers.map((reader) => [reader.name, reader])),
  };
  const { supervisors } = await here.talent.supervisors();
  const lostRemarks = (await here.talent.status({ task_id: 'lost' })).remarks;
  return { list, histories, node, supervisors, lostRemarks };
}

const Listed = z.array(z.looseObject({ task_id: z.string(), status: z.string() }));

/** All tasks as the command prints them, but for the estimate of how long a plot still takes, which counts from now. */
async function listedBy(here: Machine, version: Version) {
  const list = Listed.parse(await here.ask(version, 'plot', 'list'));
  return list.map(({ seconds_left: _estimate, ...task }) => task);
}

function statusesIn(list: z.infer<typeof Listed>): Record<string, string> {
  return Object.fromEntries(list.map(({ task_id, status }) => [task_id, status]));
}

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
  // The old one complains of a plotter that has ended just when it was to be measured.
  const complaints = here.complaintsOf('supervisor');
  const isKnown = (line: string) => supervisor === 'old' && line.includes('No matching pid found');
  t.strictSame(
    complaints.filter((line) => !isKnown(line)),
    [],
  );
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

/** No table was made anew or lost a column, and no reader has begun anew. */
function isKept(t: Test, { data }: Machine, before: Kept): void {
  const schema = schemaOf(data);
  for (const [name, made] of before.schema) {
    // A column that is added is written behind the last one.
    const columns = made.slice(0, made.lastIndexOf(')'));
    t.equal(schema.get(name)?.slice(0, columns.length), columns, `${name} is as it was`);
  }
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
