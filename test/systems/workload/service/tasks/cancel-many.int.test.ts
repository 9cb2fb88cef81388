/** A task with many jobs that wait is cancelled batch by batch, and others go on meanwhile. */

import t, { type Test } from 'tap';
import type { Statement } from '../../../../../src/base/sql.js';
import { openDatabase } from '../../../../../src/base/sqlite.js';
import { delegating } from '../../../../../src/runtime/event-store/delegating-store.js';
import type { EventStore } from '../../../../../src/runtime/event-store/event-store.js';
import { until } from '../../../../support/until.js';
import { untilQuiet } from '../../support/cancel-rounds.js';
import { InnerPilot } from '../../support/inner-pilot.js';
import { embedded, inputOf, stored, submit, taskNode, untilJobs, untilState } from './task-world.js';

const JOBS = 1_100;
/** Of a round of the closer. */
const BATCH = 500;

/** Counts how many cancellations of jobs wait to be stored at the same time, and holds one of the second batch. */
function counting(store: EventStore) {
  const counts = { all: 0, most: 0, now: 0 };
  let goOn = () => {};
  const going = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const append: EventStore['append'] = async (...parameters) => {
    const isCancel = parameters[2].some(({ type }) => type === 'JobCancelled');
    if (!isCancel) return await store.append(...parameters);
    counts.all += 1;
    counts.now += 1;
    counts.most = Math.max(counts.most, counts.now);
    if (counts.all === BATCH + 1) await going;
    try {
      return await store.append(...parameters);
    } finally {
      counts.now -= 1;
    }
  };
  return { store: delegating(store, { append }), counts, goOn };
}

/** The most rows that a statement of this process has given at once since. */
function largestRead(t: Test): () => number {
  let most = 0;
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  const prototype: Statement = Object.getPrototypeOf(db.prepare('SELECT 1'));
  const { all } = prototype;
  const counted: Statement['all'] = function (this: Statement, ...given) {
    const rows = all.apply(this, given);
    most = Math.max(most, rows.length);
    return rows;
  };
  Object.assign(prototype, { all: counted });
  t.teardown(() => Object.assign(prototype, { all }));
  return () => most;
}

t.test(`${JOBS} jobs that wait`, async (t) => {
  t.testdir();
  const { store, counts, goOn } = counting(await embedded(t));
  const node = await taskNode(t, store);
  const pilot = await new InnerPilot(node.context, 'p1').attach();
  const [small, large] = [
    await submit(node, await inputOf(node, 2)),
    await submit(node, await inputOf(node, JOBS)),
  ];
  await untilJobs(node, small, 2);
  await untilJobs(node, large, JOBS);
  const claims = [];
  const ofSmall = 'SELECT id FROM job_dat JOIN task_dat USING (task_id) WHERE task_dat.uid = ?';
  for (const { id } of await node.rows(ofSmall, small)) {
    await pilot.queue(String(id));
    claims.push(await pilot.claim(String(id)));
  }
  const asked = await store.head();
  const largest = largestRead(t);
  await node.ask('task_cancel', { id: large, reason: 'wrong' });
  await until('the second batch is under way', () => counts.all > BATCH);
  for (const claim of claims) await pilot.finished(claim);
  goOn();
  await untilState(node, small, 'finished');
  t.match(await untilState(node, large, 'cancelled'), { jobs_cancelled: JOBS, jobs_waiting: 0 });
  t.equal(counts.all, JOBS, 'each is told once');
  t.ok(counts.most <= BATCH, `at most ${BATCH} at a time, and ${counts.most} were`);
  const events = [...(await stored(store, 'wl_job')), ...(await stored(store, 'wl_task'))];
  const types = events.toSorted((a, b) => (a.position < b.position ? -1 : 1)).map(({ type }) => type);
  t.equal(types.at(-1), 'TaskCancelled', 'once each has ended');
  const before = types.slice(0, types.indexOf('TaskFinished')).filter((type) => type === 'JobCancelled');
  t.ok(before.length < JOBS, `the other task is finished behind ${before.length} of them`);
  await untilQuiet(node);
  const after = new Map<string, number>();
  for await (const { type, position } of store.readAll({ categories: ['wl_job', 'wl_file', 'wl_dataset'] }))
    if (position > asked) after.set(type, (after.get(type) ?? 0) + 1);
  // Its output and its log had a place each.
  t.strictSame(Object.fromEntries(after), {
    ...{ JobCancelled: JOBS, FileRegistered: 2 * JOBS + 4, FileDiscarded: 2 * JOBS, DatasetAborted: 2 },
    ...{ JobFinished: 2, DatasetClosed: 2 },
  });
  t.ok(largest() <= BATCH, `nothing reads all of them: ${largest()} rows at a time`);
});
