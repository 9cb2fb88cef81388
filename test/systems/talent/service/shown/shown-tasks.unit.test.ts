/** How often rows are read and encoded where many are shown. */

import t from 'tap';
import type { SqlRow } from '../../../../../src/base/sql.js';
import { ShownTasks } from '../../../../../src/systems/talent/service/shown/shown-tasks.js';
import { propose } from '../../../../support/events.js';

function showing(keptBytes?: number) {
  const rows = new Map<string, SqlRow>();
  const counts = { reads: 0, encodes: 0 };
  const clock = { now: 0 };
  const absence: { text?: string } = {};
  const shown = new ShownTasks({
    read: (taskId) => {
      counts.reads += 1;
      const row = rows.get(taskId);
      return row && { ...row };
    },
    show: (row) => ({ task_id: String(row['task_id']), status: String(row['status']) }),
    now: () => clock.now,
    isStill: (row) => row['status'] !== 'running',
    beside: () => absence.text,
    encode: (message) => {
      counts.encodes += 1;
      return Buffer.from(JSON.stringify(message));
    },
    ...(keptBytes === undefined ? {} : { keptBytes }),
  });
  const set = (task_id: string, status: string, revision: number) => {
    rows.set(task_id, { task_id, status, revision });
    shown.changed([{ ...propose(), stream: `plot_task-${task_id}`, revision, position: '0' }]);
  };
  const row = (taskId: string): SqlRow => shown.get(taskId) ?? {};
  return { shown, counts, clock, absence, set, row };
}

t.test('a changed row is read once and encoded once, however many are shown it', async (t) => {
  const { shown, counts, set, row } = showing();
  for (const [n, status] of ['received', 'running', 'running'].entries()) {
    set('a', status, n);
    for (let watcher = 0; watcher < 100; watcher++) shown.encodedOf(row('a'));
    t.same(counts, { reads: n + 1, encodes: n + 1 });
  }
  t.equal(shown.get('b'), undefined);
});

t.test('what counts down is not shown as it was a second ago', async (t) => {
  const { shown, counts, clock, set, row } = showing();
  for (const status of ['running', 'received']) {
    set('a', status, 0);
    shown.encodedOf(row('a'));
    clock.now += 1_000;
    shown.encodedOf(row('a'));
  }
  t.equal(counts.encodes, 3, 'of the one that runs each, of the other once');
});

t.test(
  'what nothing changes is read and encoded once per revision; what changes by itself each time',
  async (t) => {
    const { shown, counts, set } = showing();
    const again = (revision: number) => shown.encodedFrom({ task_id: 'a', revision })?.toString();
    set('a', 'received', 0);
    t.match(again(0), 'received');
    t.match(again(0), 'received');
    t.same(counts, { reads: 1, encodes: 1 });
    set('a', 'pending', 1);
    t.match(again(1), 'pending');
    t.match(again(1), 'pending');
    t.same(counts, { reads: 2, encodes: 2 });
    set('a', 'running', 2);
    again(2);
    again(2);
    t.same(counts, { reads: 4, encodes: 4 });
    t.equal(shown.encodedFrom({ task_id: 'b', revision: 0 }), undefined);
  },
);

t.test('what is kept is bounded', async (t) => {
  const { shown, counts, set } = showing(300);
  for (let n = 0; n < 100; n++) {
    set(`${n}`, 'received', 0);
    shown.encodedFrom({ task_id: `${n}`, revision: 0 });
  }
  t.equal(counts.reads, 100);
  for (let n = 99; n > 94; n--) shown.encodedFrom({ task_id: `${n}`, revision: 0 });
  t.equal(counts.reads, 100, 'the last ones are kept');
  shown.encodedFrom({ task_id: '0', revision: 0 });
  t.equal(counts.reads, 101, 'and not the first');
});

t.test('what stands beside tasks is told with each, and none is encoded again for it', async (t) => {
  const { shown, counts, absence, set } = showing();
  const told = (taskId: string) => shown.encodedFrom({ task_id: taskId, revision: 0 })?.toString() ?? '';
  for (const taskId of ['a', 'b']) set(taskId, 'received', 0);
  const [a, b] = [told('a'), told('b')];
  absence.text = 'nobody is there';
  for (const alone of [a, b]) t.equal(told(alone === a ? 'a' : 'b'), `{"remarks":"nobody is there"}${alone}`);
  t.same(counts, { reads: 2, encodes: 3 });
  delete absence.text;
  t.equal(told('a'), a);
  t.same(counts, { reads: 2, encodes: 3 });
});
