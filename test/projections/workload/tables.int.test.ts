/** What the tables of workloads are found by: while they are filled, without their indexes, and when they serve. */

import t, { type Test } from 'tap';
import { workload } from '../../../projections/workload/workload.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import { tablesOf } from '../../../src/runtime/read-models/projection.js';

/** @returns how SQLite finds what a statement wants */
function plans(t: Test, { indexed }: { readonly indexed: boolean }): (sql: string) => string {
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  for (const { table, createTable, indexes } of tablesOf(workload)) {
    db.exec(createTable(table));
    if (indexed) for (const index of indexes) db.exec(index);
  }
  return (sql) =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => String(detail))
      .join('; ');
}

t.test('rows are found without a scan while a rebuild fills the tables', async (t) => {
  const planOf = plans(t, { indexed: false });
  for (const sql of [
    'UPDATE file_dat SET status = 1 WHERE file_id BETWEEN 1 AND 3',
    'UPDATE dsm_files SET failed_job = 1 WHERE (dataset_uid, file_name) IN (SELECT dataset_uid, file_name FROM file_dat WHERE file_id BETWEEN 1 AND 3)',
    'SELECT job_id FROM dsm_files JOIN job_dat AS job ON job.id = producer_job WHERE dataset_uid = 1 AND idx = 2',
    'UPDATE job_dat SET state = 1 WHERE job_id = 1',
    'SELECT state FROM job_dat WHERE id = 1',
  ])
    t.notMatch(planOf(sql), /SCAN/, sql);
});

t.test('what is asked of many jobs is found by an index of those that stand so', async (t) => {
  const planOf = plans(t, { indexed: true });
  const underWay = "('staging', 'running', 'cancelling')";
  for (const [sql, index] of [
    ['SELECT * FROM job_dat WHERE task_id = 1 AND job_id > 7 ORDER BY job_id', 'job_dat_of_task'],
    ["SELECT id FROM job_dat WHERE task_id = 1 AND is_over = 0 AND state = 'created'", 'job_dat_living'],
    [
      "SELECT id FROM job_dat WHERE task_id = 1 AND state IN ('failed', 'cancelled') AND level = 1",
      'job_dat_lost',
    ],
    [`SELECT state, count(*) FROM job_dat WHERE state IN ${underWay} GROUP BY state`, 'job_dat_under_way'],
    [
      "SELECT device_type, count(*) FROM job_dat WHERE state = 'created' GROUP BY device_type",
      'job_dat_created',
    ],
    ['SELECT count(*) FROM job_dat WHERE task_id = 1 AND retry_due = 1', 'job_dat_retry_due'],
  ] as const)
    t.match(planOf(sql), index, sql);
});
