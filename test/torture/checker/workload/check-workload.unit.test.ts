/** The checker of workload finds every broken promise when it is planted in a log, and nothing where there is none. */

import t from 'tap';
import { Violations } from '../violations.js';
import { checkWorkload } from './check-workload.js';
import { event, logOf, type Planted } from './planted.js';

async function rulesBroken(planted: readonly Planted[]): Promise<string[]> {
  const violations = new Violations();
  await checkWorkload(logOf(planted), violations);
  return [...new Set(violations.list.map(({ rule }) => rule))];
}

const claim = (id: string, attempt: number) => ({ claim_id: id, attempt });
const created = (job: string, idx: number, level = 1, dataset = 'in') =>
  event(
    `wl_job-${job}`,
    'JobCreated',
    { task: 't', seq: level === 1 ? idx : 9, level },
    { inputs: [{ dataset_uid: dataset, idx }] },
  );
const registered = (dataset: string, idx: number, declared: boolean) =>
  event(`wl_file-${dataset}.${idx}`, 'FileRegistered', { dataset_uid: dataset, idx }, { declared });
const batch = (dataset: string, first: number, count: number) =>
  event(`wl_dataset-${dataset}`, 'DatasetFilesAdded', { first_idx: first }, { files: Array(count).fill({}) });
const run = (job: string, claimId: string, attempt = 1) => [
  event(`wl_job-${job}`, 'JobQueued'),
  event(`wl_job-${job}`, 'JobClaimed', claim(claimId, attempt)),
  event(`wl_job-${job}`, 'JobStarted', claim(claimId, attempt)),
];
const written = (idx: number, job: string, attempt: number) =>
  event(`wl_file-out.${idx}`, 'FileAvailable', { job, attempt, size: '3' });
const begun = (idx: number, job: string, attempt: number) =>
  event(
    `wl_file-out.${idx}`,
    'FileRegistered',
    { dataset_uid: 'out', idx, job, attempt, size: '3' },
    { declared: false },
  );

/** A task of two jobs: the first is lost once and finishes then, the second fails, is retried and finishes. */
const WHOLE: readonly Planted[] = [
  event('wl_dataset-in', 'DatasetRegistered'),
  batch('in', 0, 2),
  ...[registered('in', 0, false), registered('in', 1, false)],
  event('wl_task-t', 'TaskRegistered', { data_in_uid: 'in' }),
  event('wl_dataset-out', 'DatasetRegistered', { producer_task: 't' }),
  event('wl_task-t', 'TaskJobsPlanned', { level: 1, jobs: 2 }),
  batch('out', 0, 2),
  // As stores of before have it; the other file is registered with the end of its job.
  registered('out', 1, true),
  ...[created('a', 0), created('b', 1)],
  ...run('a', 'c1'),
  event('wl_job-a', 'JobPilotLost', { claim_id: 'c1' }),
  event('wl_job-a', 'JobAttemptFailed', claim('c1', 1)),
  ...run('a', 'c2', 2),
  event('wl_job-a', 'JobFinished', claim('c2', 2)),
  begun(0, 'a', 2),
  ...run('b', 'c3'),
  event('wl_job-b', 'JobFailed', { claim_id: 'c3' }),
  event('wl_file-out.1', 'FileFailed'),
  event('wl_task-t', 'TaskFailed', { finished: 1, failed: 1, cancelled: 0 }),
  event('wl_task-t', 'TaskRetried'),
  event('wl_job-b', 'JobRetried'),
  event('wl_file-out.1', 'FileDeclaredAgain'),
  ...run('b', 'c4', 2),
  event('wl_job-b', 'JobFinished', claim('c4', 2)),
  written(1, 'b', 2),
  event('wl_dataset-in', 'DatasetSealed', { files: 2 }),
  event('wl_dataset-in', 'DatasetClosed', { files_available: 2, files_failed: 0 }),
  event('wl_task-t', 'TaskFinished', { finished: 2, failed: 0, cancelled: 0 }),
  event('wl_dataset-out', 'DatasetSealed', { files: 2 }),
  event('wl_dataset-out', 'DatasetClosed', { files_available: 2, files_failed: 0 }),
];

/** The index of the only event of that type and stream, or of the one that comes so often before. */
function at(stream: string, type: string, nth = 0): number {
  const found = WHOLE.flatMap((one, index) => (one.stream === stream && one.type === type ? [index] : []));
  const index = found[nth];
  if (index === undefined) throw new Error(`there is no ${type} of ${stream}`);
  return index;
}
const behind = (stream: string, type: string, ...more: readonly Planted[]) =>
  WHOLE.toSpliced(at(stream, type) + 1, 0, ...more);
const instead = (index: number, ...more: readonly Planted[]) => WHOLE.toSpliced(index, 1, ...more);

const BROKEN: Readonly<Record<string, { readonly events: readonly Planted[]; readonly rule: string }>> = {
  'two claims of a job live': {
    events: behind('wl_job-a', 'JobStarted', event('wl_job-a', 'JobClaimed', claim('c5', 2))),
    rule: 'one-living-claim',
  },
  'a claim is granted twice': {
    events: instead(at('wl_job-a', 'JobClaimed', 1), event('wl_job-a', 'JobClaimed', claim('c1', 2))),
    rule: 'one-living-claim',
  },
  'an attempt is left out': {
    events: instead(at('wl_job-b', 'JobClaimed', 0), event('wl_job-b', 'JobClaimed', claim('c3', 2))),
    rule: 'one-living-claim',
  },
  'it starts without a claim': {
    events: instead(at('wl_job-a', 'JobClaimed', 0)),
    rule: 'start-of-a-claim',
  },
  'it starts twice': {
    events: behind('wl_job-a', 'JobStarted', event('wl_job-a', 'JobStarted', claim('c1', 1))),
    rule: 'start-of-a-claim',
  },
  'a stale report is taken': {
    events: instead(at('wl_job-a', 'JobFinished'), event('wl_job-a', 'JobFinished', claim('c1', 1))),
    rule: 'told-of-the-living-claim',
  },
  'an attempt fails after it has failed': {
    events: behind('wl_job-a', 'JobAttemptFailed', event('wl_job-a', 'JobAttemptFailed', claim('c1', 1))),
    rule: 'told-of-the-living-claim',
  },
  'it is cancelled without the claim that lives': {
    events: instead(at('wl_job-b', 'JobFailed'), event('wl_job-b', 'JobCancelled')),
    rule: 'told-of-the-living-claim',
  },
  'what a stale attempt wrote is in the catalogue': {
    events: instead(at('wl_file-out.0', 'FileRegistered'), begun(0, 'a', 3)),
    rule: 'told-of-the-living-claim',
  },
  'what a stale attempt wrote after a retry is in the catalogue': {
    events: instead(at('wl_file-out.1', 'FileAvailable'), written(1, 'b', 3)),
    rule: 'told-of-the-living-claim',
  },
  'a place is in two jobs': {
    events: behind('wl_job-b', 'JobCreated', created('c', 1)),
    rule: 'place-in-one-job',
  },
  'a place is in no job': {
    events: behind('wl_dataset-in', 'DatasetFilesAdded', batch('in', 2, 1)),
    rule: 'place-in-one-job',
  },
  'a level does not read what the one before it wrote': {
    events: behind('wl_job-b', 'JobCreated', created('c', 0, 2, 'levels')),
    rule: 'place-in-one-job',
  },
  'a closed dataset grows': {
    events: [...WHOLE, batch('out', 2, 1)],
    rule: 'closed-is-last',
  },
  'an aborted dataset is closed': {
    events: behind('wl_dataset-in', 'DatasetSealed', event('wl_dataset-in', 'DatasetAborted')),
    rule: 'closed-is-last',
  },
  'a batch leaves places out': {
    events: instead(at('wl_dataset-in', 'DatasetFilesAdded'), batch('in', 1, 2)),
    rule: 'file-states-add-up',
  },
  'a file has no life': {
    events: instead(at('wl_file-in.1', 'FileRegistered')),
    rule: 'file-states-add-up',
  },
  'what a job has written has no life': {
    events: instead(at('wl_file-out.0', 'FileRegistered')).filter(
      ({ stream, type }) =>
        stream !== 'wl_file-out.0' && !(stream === 'wl_dataset-out' && type === 'DatasetClosed'),
    ),
    rule: 'file-states-add-up',
  },
  'two files have one place': {
    events: behind('wl_file-in.1', 'FileRegistered', {
      ...registered('in', 1, false),
      stream: 'wl_file-other',
    }),
    rule: 'file-states-add-up',
  },
  'closed with files that are not written': {
    events: instead(at('wl_file-out.1', 'FileAvailable')),
    rule: 'file-states-add-up',
  },
  'closed with counts that the files do not give': {
    events: instead(
      at('wl_dataset-out', 'DatasetClosed'),
      event('wl_dataset-out', 'DatasetClosed', { files_available: 1, files_failed: 1 }),
    ),
    rule: 'file-states-add-up',
  },
  'a finished job goes on': {
    events: behind('wl_job-a', 'JobFinished', event('wl_job-a', 'JobRetried')),
    rule: 'final-is-final',
  },
  'a failed job goes on without a retry': {
    events: instead(at('wl_job-b', 'JobRetried')),
    rule: 'final-is-final',
  },
  'a file that is discarded comes back': {
    events: behind(
      'wl_file-out.1',
      'FileAvailable',
      event('wl_file-out.1', 'FileDiscarded'),
      written(1, 'b', 2),
    ),
    rule: 'final-is-final',
  },
  'a finished task is retried': {
    events: [...WHOLE, event('wl_task-t', 'TaskRetried')],
    rule: 'final-is-final',
  },
  'a job is made in a finished task': {
    events: [...WHOLE, created('late', 2)],
    rule: 'final-is-final',
  },
  'a task finishes with other counts than its jobs': {
    events: instead(
      at('wl_task-t', 'TaskFinished'),
      event('wl_task-t', 'TaskFinished', { finished: 1, failed: 1, cancelled: 0 }),
    ),
    rule: 'counts-add-up',
  },
  'a task finishes while a job runs': {
    events: instead(at('wl_job-b', 'JobFinished')),
    rule: 'counts-add-up',
  },
  'a planned job was never made': {
    events: instead(
      at('wl_task-t', 'TaskJobsPlanned'),
      event('wl_task-t', 'TaskJobsPlanned', { level: 1, jobs: 3 }),
    ),
    rule: 'counts-add-up',
  },
  'a revision is missing': {
    events: instead(at('wl_job-a', 'JobQueued'), { ...event('wl_job-a', 'JobQueued'), revision: 2 }),
    rule: 'revision-holes',
  },
};

t.test('orders that change nothing say nothing of a life', async (t) => {
  const ends = ['wl_task-t', 'wl_dataset-in', 'wl_job-a'].map((stream) => event(stream, 'OrderAccepted'));
  t.strictSame(await rulesBroken([...WHOLE, ...ends]), []);
});

t.test('a history as it should be has nothing broken', async (t) => {
  t.same(await rulesBroken(WHOLE), []);
});

t.test('what is not workload is not looked at', async (t) => {
  t.same(await rulesBroken([...WHOLE, event('plot_task-1', 'Nonsense')]), []);
});

for (const [name, { events, rule }] of Object.entries(BROKEN))
  t.test(`${name}: ${rule}`, async (t) => {
    t.ok((await rulesBroken(events)).includes(rule), `${await rulesBroken(events)}`);
  });

t.test('what a job is still to write has no life yet', async (t) => {
  const until = WHOLE.slice(0, at('wl_job-a', 'JobFinished'));
  t.same(await rulesBroken(until), []);
});

t.test('a log that nobody waited for may be in the middle of things', async (t) => {
  const violations = new Violations();
  const until = WHOLE.slice(0, at('wl_file-in.1', 'FileRegistered'));
  await checkWorkload(logOf(until), violations, false);
  t.same(violations.lines(), []);
});
