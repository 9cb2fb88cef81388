/** What the tables of workloads are while they are filled: without their indexes. */

import t from 'tap';
import { JOB_FILES } from '../../../projections/workload/tables.js';
import { openDatabase } from '../../../src/base/sqlite.js';

t.test('rows of files are found without a scan while a rebuild fills them', async (t) => {
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  db.exec(JOB_FILES.createTable('shadow'));
  for (const where of ['job_id = 1 AND type = 2', 'job_id = 1 AND dsm_file = 2', 'dsm_file = 1']) {
    const plan = db.prepare(`EXPLAIN QUERY PLAN SELECT status FROM shadow WHERE ${where}`).all();
    t.match(plan, [{ detail: /^SEARCH shadow USING INDEX/ }], where);
  }
});
