/** Whatever is not as a cancellation promises is found when it is planted in a log. */

import t from 'tap';
import { Violations } from '../violations.js';
import { checkWorkload } from './check-workload.js';
import { event, logOf, type Planted } from './planted.js';

const claim = { claim_id: 'c1', attempt: 1 };
const written = { dataset_uid: 'out', idx: 0 };

/** Of two jobs one waits and one runs; the one that runs finishes behind the request. */
const WHOLE: readonly Planted[] = [
  event('wl_dataset-in', 'DatasetRegistered'),
  event('wl_dataset-in', 'DatasetFilesAdded', { first_idx: 0 }, { files: [{}, {}] }),
  ...[0, 1].map((idx) =>
    event(`wl_file-in.${idx}`, 'FileRegistered', { dataset_uid: 'in', idx }, { declared: false }),
  ),
  event('wl_task-t', 'TaskRegistered', { data_in_uid: 'in' }),
  event('wl_dataset-out', 'DatasetRegistered', { producer_task: 't', produces: 'output' }),
  event('wl_task-t', 'TaskJobsPlanned', { level: 1, jobs: 2 }),
  event('wl_dataset-out', 'DatasetFilesAdded', { first_idx: 0 }, { files: [{}, {}] }),
  ...[0, 1].map((idx) =>
    event(
      `wl_job-${idx}`,
      'JobCreated',
      { task: 't', seq: idx, level: 1 },
      { inputs: [{ dataset_uid: 'in', idx }] },
    ),
  ),
  event('wl_job-0', 'JobClaimed', claim),
  event('wl_job-0', 'JobStarted', claim),
  event('wl_task-t', 'TaskCancelRequested'),
  event('wl_job-1', 'JobCancelled'),
  event('wl_job-0', 'JobCancelRequested'),
  event('wl_job-0', 'JobFinished', claim),
  event('wl_file-out.0', 'FileRegistered', written, { declared: true }),
  event('wl_file-out.0', 'FileAvailable', { job: '0', attempt: 1, size: '3' }),
  event('wl_task-t', 'TaskCancelled', { finished: 1, failed: 0, cancelled: 1 }),
  event('wl_dataset-out', 'DatasetAborted'),
  event('wl_file-out.0', 'FileDiscarded'),
];

const index = (stream: string, type: string) =>
  WHOLE.findIndex((one) => one.stream === stream && one.type === type);
const without = (stream: string, type: string) => WHOLE.toSpliced(index(stream, type), 1);
const behind = (stream: string, type: string, more: Planted) =>
  WHOLE.toSpliced(index(stream, type) + 1, 0, more);

async function broken(planted: readonly Planted[], isOneNode = true): Promise<string[]> {
  const violations = new Violations();
  await checkWorkload(logOf(planted), violations, true, isOneNode);
  return [...new Set(violations.list.map(({ rule }) => rule))];
}

t.test('as it should be', async (t) => {
  t.same(await broken(WHOLE), []);
});

t.test('a grant behind the request', async (t) => {
  const late = behind(
    'wl_task-t',
    'TaskCancelRequested',
    event('wl_job-1', 'JobClaimed', { claim_id: 'c2', attempt: 1 }),
  );
  t.ok((await broken(late)).includes('nothing-behind-cancel'));
  t.notOk(
    (await broken(late, false)).includes('nothing-behind-cancel'),
    'another node may have been about to',
  );
});

t.test('a plan behind the request', async (t) => {
  const late = behind(
    'wl_task-t',
    'TaskCancelRequested',
    event('wl_task-t', 'TaskJobsPlanned', { level: 1, jobs: 0 }),
  );
  t.ok((await broken(late)).includes('nothing-behind-cancel'));
});

t.test('what runs is called cancelled, and nobody asked it to end', async (t) => {
  const log = without('wl_job-0', 'JobCancelRequested').map((one) =>
    one.type === 'JobFinished' ? event('wl_job-0', 'JobCancelled', claim) : one,
  );
  t.ok((await broken(log)).includes('cancelled-means-ended'));
});

t.test('a task is called cancelled while a job runs', async (t) => {
  t.ok((await broken(without('wl_job-0', 'JobFinished'))).includes('counts-add-up'));
});

t.test('what it wrote is not aborted, or stays', async (t) => {
  t.same(await broken(without('wl_dataset-out', 'DatasetAborted')), [
    'cancelled-means-ended',
    'file-states-add-up',
  ]);
  t.same(await broken(without('wl_file-out.0', 'FileDiscarded')), ['outputs-discarded']);
});

t.test('a job of a cancelled task is told to be done again', async (t) => {
  const log = [...WHOLE, event('wl_job-1', 'JobRetried')];
  t.ok((await broken(log)).includes('final-is-final'));
});
