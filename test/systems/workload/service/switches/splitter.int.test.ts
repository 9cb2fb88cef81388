/** The splitter, switched off: no more jobs are made of tasks, over restarts too, and whatever waits says so. */

import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { EventStore } from '../../../../../src/runtime/event-store/event-store.js';
import { whileOn } from '../../../../../src/systems/workload/service/switches/switch-gates.js';
import { STORES } from '../../../../support/both-stores.js';
import { countRows } from '../../../../support/counted-rows.js';
import { until } from '../../../../support/until.js';
import {
  addFiles,
  embedded,
  inputOf,
  refusalOf,
  seal,
  submit,
  type TaskNode,
  taskNode,
  untilJobs,
  untilState,
} from '../tasks/task-world.js';

const switchTo = (node: TaskNode, enabled: boolean, more: object = {}) =>
  node.ask('switch_set', { switch: 'splitter', enabled, ...more });

/** Plans that stand behind the answer to an off and before the on that follows it. */
async function plannedWhileOff(store: EventStore): Promise<number> {
  let [isOff, planned] = [false, 0];
  for await (const { type } of store.readAll({ categories: ['wl_switch', 'wl_task'] })) {
    if (type === 'SwitchSettled') isOff = true;
    if (type === 'SwitchedOn') isOff = false;
    if (type === 'TaskJobsPlanned' && isOff) planned += 1;
  }
  return planned;
}

for (const [name, open] of Object.entries(STORES))
  t.test(`off it stays off over a restart, and on again it goes on where it was, on ${name}`, async (t) => {
    t.testdir();
    const store = await open(t);
    const before = await taskNode(t, store);
    const [input, other] = [await inputOf(before, 3, { sealed: false }), await inputOf(before, 2)];
    const begun = await submit(before, input);
    await untilJobs(before, begun, 3);
    const off = await switchTo(before, false, { reason: 'the disk is full' });
    t.match(off, {
      switch: 'splitter',
      enabled: false,
      reason: 'the disk is full',
      by: 'test',
      since: Number,
    });
    t.strictSame(
      await switchTo(before, false, { reason: 'again' }),
      off,
      'off already, it keeps who and since when',
    );
    const waiting = await submit(before, other);
    await addFiles(before, input, 3, 2);
    await before.close();

    const node = await taskNode(t, store, { name: 'after' });
    t.strictSame(await node.ask('switch_status', { switch: 'splitter' }), off);
    const says = /the splitter is switched off since \d{4}-\S+Z, by test: the disk is full/;
    t.match(await node.ask('task_status', { id: waiting }), {
      ...{ state: 'registered', jobs_total: 0 },
      remarks: new RegExp(`^is not split; ${says.source}`),
    });
    t.match(await node.ask('task_status', { id: begun }), { jobs_total: 3, remarks: says });
    t.match(await node.ask('switch_list', {}), {
      switches: [
        { switch: 'splitter', enabled: false },
        { switch: 'executor', enabled: true },
      ],
    });
    t.match(await switchTo(node, true), { enabled: true, by: 'test' });
    await untilJobs(node, waiting, 2);
    await untilJobs(node, begun, 5);
    await seal(node, input);
    await untilState(node, begun, 'running');
    t.notMatch((await node.ask('task_status', { id: begun }))['remarks'], says);
    t.equal(await plannedWhileOff(store), 0);
    const seqs = await node.rows('SELECT seq FROM job_dat ORDER BY task_id, seq');
    t.strictSame(
      seqs.map(({ seq }) => seq),
      [0, 1, 2, 3, 4, 0, 1],
      'each file is in one job',
    );
  });

t.test('behind the answer nothing is planned, however often it is switched', async (t) => {
  t.testdir();
  const store = await embedded(t);
  const node = await taskNode(t, store, { config: { split_window: 200 } });
  const input = await inputOf(node, 5, { sealed: false });
  const task = await submit(node, input);
  for (let round = 1; round <= 12; round++) {
    const [off] = await Promise.all([switchTo(node, false), addFiles(node, input, round * 5, 5)]);
    t.match(off, { enabled: false });
    await submit(node, input);
    await switchTo(node, true);
  }
  await untilJobs(node, task, 65);
  t.equal(await plannedWhileOff(store), 0);
});

t.test('it is answered when what is under way has ended, and from then nothing begins', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  let end = () => {};
  const underWay = whileOn(node.context, 'splitter', async () => {
    await new Promise<void>((resolve) => {
      end = resolve;
    });
    return 'done';
  });
  await node.ask('switch_status', { switch: 'splitter' });
  let answered = false;
  const off = switchTo(node, false).then(() => {
    answered = true;
  });
  const status = () => node.ask('switch_status', { switch: 'splitter' });
  await until('it is off', async () => (await status())['enabled'] === false);
  for (let turns = 0; turns < 50; turns++) await turn();
  t.match(await status(), { enabled: false, ending: true });
  t.notOk(answered);
  end();
  await off;
  t.equal(await underWay, 'done');
  t.equal(await whileOn(node.context, 'splitter', async () => 'done'), undefined);
});

t.test('while it is off no files are looked at, round for round', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  await switchTo(node, false);
  const input = await inputOf(node, 300);
  const counted = countRows(node.context.db);
  const read = (what: RegExp) =>
    [...counted.statements].reduce((sum, [sql, rows]) => (what.test(sql) ? sum + rows : sum), 0);
  for (const due of [1, 3]) {
    await submit(node, input);
    await until('a round has begun', () => read(/FROM task_dat WHERE state IN .* AND held = 0/) >= due);
  }
  t.equal(read(/json_quote\(path\)/), 0);
  const task = await submit(node, input);
  await switchTo(node, true);
  await untilJobs(node, task, 300);
  t.equal(read(/json_quote\(path\)/), 900, 'that is what a plan reads');
});

t.test('what is wrong with an order is said, and nothing is switched', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  for (const [order, problem] of [
    [
      { switch: 'closer', enabled: false },
      { field: 'switch', rule: 'must be one of splitter, executor, not "closer"' },
    ],
    [{ switch: 'splitter' }, { field: 'enabled', rule: 'is missing' }],
    [{ switch: 'splitter', enabled: false, strict: true }, { field: 'strict' }],
    [{ switch: 'executor', enabled: true, strict: true }, { field: 'strict' }],
    [{ switch: 'executor', enabled: false, reason: 'x'.repeat(1001) }, { field: 'reason' }],
  ] as const)
    t.match(await refusalOf(node.ask('switch_set', order)), { kind: 'invalid', ...problem });
  t.strictSame(await node.rows('SELECT * FROM wl_switches'), []);
});
