/** Rows of jobs that are made in one transaction: few statements, whatever comes between them, and none twice. */

import t from 'tap';
import { begun, job } from './support/world.js';

t.test('jobs of one transaction take less than a statement each', async (t) => {
  const { apply, event, rows, statements } = begun(t);
  const created = Array.from({ length: 24 }, (_, i) => event(`wl_job-j${i}`, 'JobCreated', job(i)));
  apply(...created);
  const taken = statements();
  t.ok(taken < created.length, `${taken} for ${created.length} jobs and ${3 * created.length} files`);
  t.match(rows('SELECT jobs_total, jobs_waiting FROM task_dat'), [{ jobs_total: 24, jobs_waiting: 24 }]);

  apply(...created);
  apply(...created.slice(3, 5), event('wl_job-new', 'JobCreated', job(24)));
  t.match(
    rows('SELECT count(*) AS jobs, max(job_id) AS last FROM job_dat'),
    [{ jobs: 25, last: 25 }],
    'none twice',
  );
  t.match(rows('SELECT jobs_total, jobs_waiting FROM task_dat'), [{ jobs_total: 25, jobs_waiting: 25 }]);
  const files = rows(
    `SELECT count(*) AS files FROM file_dat AS f JOIN job_dat AS j ON f.file_id BETWEEN j.file_in_id AND j.file_log_id
     WHERE f.job_id = j.job_id AND (f.type = 'log') = (f.file_id = j.file_log_id)`,
  );
  t.match(files, [{ files: 75 }], 'each job has its files, one number after another, the log last');
});

t.test('what comes behind a new job in its transaction finds its row', async (t) => {
  const { apply, event, rows } = begun(t);
  apply(
    event('wl_job-j0', 'JobCreated', job(0)),
    event('wl_job-j1', 'JobCreated', job(1)),
    event('wl_job-j0', 'JobQueued', { queue: 'embedded' }),
    event('wl_job-j2', 'JobCreated', job(2)),
    event('wl_job-j2', 'JobCancelled', { reason: 'enough' }),
    event('wl_task-t', 'TaskRetried', {}),
  );
  t.match(rows('SELECT id, state, is_over FROM job_dat ORDER BY job_id'), [
    { id: 'j0', state: 'queued', is_over: 0 },
    { id: 'j1', state: 'created', is_over: 0 },
    { id: 'j2', state: 'cancelled', is_over: 1 },
  ]);
  t.match(rows('SELECT jobs_total, jobs_waiting, jobs_cancelled FROM task_dat'), [
    { jobs_total: 3, jobs_waiting: 2, jobs_cancelled: 1 },
  ]);
});

t.test('a file that is to be written knows which job has failed to', async (t) => {
  const { apply, event, rows } = begun(t);
  apply(event('wl_job-j5', 'JobCreated', job(5)), event('wl_job-j6', 'JobCreated', job(6)));
  const failed = { class: 'exit_code', detail: 'it ended with 3', attempt: 1 };
  apply(event('wl_job-j5', 'JobFailed', failed));
  t.same(rows('SELECT idx, failed_job FROM dsm_files WHERE failed_job IS NOT NULL'), [
    { idx: 5, failed_job: 'j5' },
  ]);
  t.match(rows("SELECT is_over FROM job_dat WHERE id = 'j5'"), [{ is_over: 1 }]);
  apply(
    event('wl_task-t', 'TaskRetried', { job: 'j5' }),
    event('wl_job-j5', 'JobRetried', { reason: 'again' }),
  );
  t.match(rows("SELECT state, is_over, retry_due FROM job_dat WHERE id = 'j5'"), [
    { state: 'created', is_over: 0, retry_due: 0 },
  ]);
});
