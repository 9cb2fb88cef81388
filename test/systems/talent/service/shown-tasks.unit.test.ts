/** How often rows are read and encoded where many are shown. */

import t from 'tap';
import type { SqlRow } from '../../../../src/base/sql.js';
import { ShownTasks } from '../../../../src/systems/talent/service/shown-tasks.js';
import { propose } from '../../../support/events.js';

function showing(keptBytes?: number) {
  const rows = new Map<string, SqlRow>();
  const counts = { reads: 0, encodes: 0 };
  const shown = new ShownTasks({
    read: (taskId) => {
      counts.reads += 1;
      const row = rows.get(taskId);
      return row && { ...row };
    },
    show: (row) => ({ task_id: String(row['task_id']), status: String(row['status']) }),
    isStill: (row) => row['status'] !== 'running',
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
  return { shown, counts, set, row };
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

t.test(
  'what nothing changes is encoded once per revision; what changes by itself each time it is read',
  async (t) => {
    const { shown, counts, set } = showing();
    const again = (status: string, revision: number) =>
      shown.encodedOf({ task_id: 'a', status, revision }).toString();
    set('a', 'received', 0);
    t.match(again('received', 0), 'received');
    t.match(again('received', 0), 'received');
    t.equal(counts.encodes, 1);
    t.equal(shown.keptOf('a', 1), undefined);
    t.match(again('pending', 1), 'pending');
    t.ok(shown.keptOf('a', 1));
    t.equal(shown.keptOf('a', 0), undefined, 'an older revision is not kept beside it');
    again('running', 2);
    again('running', 2);
    t.equal(counts.encodes, 4);
  },
);

t.test('what is kept is bounded', async (t) => {
  const { shown } = showing(300);
  for (let n = 0; n < 100; n++) shown.encodedOf({ task_id: `${n}`, status: 'received', revision: 0 });
  const kept = Array.from({ length: 100 }, (_, n) => shown.keptOf(`${n}`, 0)).filter(Boolean);
  const bytes = kept.reduce((sum, each) => sum + (each?.length ?? 0), 0);
  t.ok(bytes <= 300 && bytes > 200, `${bytes} bytes`);
  t.ok(shown.keptOf('99', 0));
});
