/** Jobs: they run by a grant, and what is told of another grant than the living one is nothing. */

import t from 'tap';
import { JOB_EVENTS, type JobEvent, jobMachine } from '../../../machines/workload/job.js';
import type { ActorType } from '../../../src/runtime/actors/actor-type.js';
import { happens, specificationOf } from '../../support/given.js';
import { checkEveryState } from './state-table.js';

const job: ActorType<typeof jobMachine> = {
  category: 'wl_job',
  version: 1,
  machine: jobMachine,
  events: JOB_EVENTS,
};

const CREATED: JobEvent = {
  type: 'JobCreated',
  data: {
    ...{
      task: 't',
      seq: 0,
      level: 1,
      executable: 'sort',
      rank: 0,
      device_type: 'cpu',
      mode: 'map',
      retries: 1,
    },
    data_out_url: 'file:///out',
    inputs: [{ uid: 'f', dataset_uid: 'd', idx: 0, file_name: 'a', path: '/data/a' }],
    outputs: [{ uid: 'g', dataset_uid: 'o', idx: 0, file_name: 'a.j0' }],
    log: { uid: 'l', dataset_uid: 'l', idx: 0, file_name: 'a.j0.log' },
  },
};
const QUEUED: JobEvent = { type: 'JobQueued', data: { queue: 'cpu', batch: 'b' } };
const claimed = (claim_id: string, attempt: number, cur_retry = 0): JobEvent => ({
  type: 'JobClaimed',
  data: { pilot: 'p', session_id: 's', claim_id, attempt, cur_retry, lease_seconds: 60 },
});
const started = (claim_id: string): JobEvent => ({
  type: 'JobStarted',
  data: { claim_id, attempt: 1, pid: 7, boot_id: 'b', start_time: '1', inputs_checked: 1 },
});
const attemptFailed = (claim_id: string, cur_retry = 1, losses = 0): JobEvent => ({
  type: 'JobAttemptFailed',
  data: {
    ...{ claim_id, attempt: 1, class: 'payload_exit', detail: 'it ended with 1', exit_code: 1 },
    ...{ cur_retry, losses, losses_in_a_row: losses, not_before: 12 },
  },
});
const WRITTEN = { uid: 'g', file_name: 'a', path: '/out/a', size: '1', check_sum: 'c', sha256: 's' };
const finished = (claim_id: string): JobEvent => ({
  type: 'JobFinished',
  data: { claim_id, attempt: 1, exit_code: 0, outputs: [WRITTEN], log: WRITTEN, wall_seconds: 1.5 },
});
const CANCEL: JobEvent = { type: 'JobCancelRequested', data: { reason: 'wrong', grace_seconds: 10 } };
const lost = (claim_id: string): JobEvent => ({
  type: 'JobPilotLost',
  data: { claim_id, remarks: 'p is silent', fail_at: 600 },
});

const STAGING = [CREATED, QUEUED, claimed('c', 1)];
const RUNNING = [...STAGING, started('c')];

checkEveryState({
  type: job,
  examples: [
    ...[CREATED, QUEUED, claimed('c', 1), started('c'), attemptFailed('c'), finished('c'), CANCEL, lost('c')],
    { type: 'JobRequeued', data: { queue: 'cpu', reason: 'nobody took it' } },
    { type: 'JobHintDied', data: { queue: 'owl.jobs.cpu', reason: 'delivery_limit', deaths: 1 } },
    { type: 'JobWithdrawn', data: { reason: 'held' } },
    { type: 'JobRanked', data: { rank: 3 } },
    { type: 'JobFailed', data: { class: 'payload_exit', detail: 'it ended with 1', claim_id: 'c' } },
    { type: 'JobCancelled', data: { reason: 'wrong', processes_ended: 1, claim_id: 'c' } },
    { type: 'JobPilotReturned', data: { claim_id: 'c' } },
    { type: 'JobRetried', data: {} },
  ],
  given: {
    absent: [],
    created: [CREATED],
    queued: [CREATED, QUEUED],
    staging: STAGING,
    running: RUNNING,
    cancelling: [...RUNNING, CANCEL],
    failed: [CREATED, 'JobFailed'],
    finished: [...RUNNING, finished('c')],
    cancelled: [CREATED, 'JobCancelled'],
  },
  after: {
    absent: { JobCreated: 'created' },
    created: { JobQueued: 'queued', JobRanked: 'created', JobFailed: 'failed', JobCancelled: 'cancelled' },
    queued: {
      JobClaimed: 'staging',
      JobRequeued: 'queued',
      JobHintDied: 'queued',
      JobWithdrawn: 'created',
      JobRanked: 'queued',
      JobFailed: 'failed',
      JobCancelled: 'cancelled',
    },
    staging: {
      JobStarted: 'running',
      JobAttemptFailed: 'created',
      JobFinished: 'finished',
      JobFailed: 'failed',
      JobCancelRequested: 'cancelling',
      JobPilotLost: 'staging',
    },
    running: {
      JobAttemptFailed: 'created',
      JobFinished: 'finished',
      JobFailed: 'failed',
      JobCancelRequested: 'cancelling',
      JobPilotLost: 'running',
    },
    cancelling: {
      JobCancelled: 'cancelled',
      JobFinished: 'finished',
      JobFailed: 'failed',
      JobPilotLost: 'cancelling',
    },
    failed: { JobRetried: 'created' },
    finished: {},
    cancelled: {},
  },
});

const given = specificationOf(job);
const refused = { kind: 'refused', message: /is not possible/ } as const;

t.test('of another claim than the living one nothing is taken', async (t) => {
  const second = [...RUNNING, attemptFailed('c'), QUEUED, claimed('d', 2, 1)];
  for (const stale of [started('c'), attemptFailed('c', 2), finished('c'), lost('c')])
    given(second).when(happens(stale)).then(t, refused);
  given(second)
    .when(happens(started('d')))
    .then(t, [started('d')], { value: 'running', context: { attempt: 2, curRetry: 1 } });
});

t.test('a grant is the next attempt of what the job has come to', async (t) => {
  const again = given([...RUNNING, attemptFailed('c'), QUEUED]);
  for (const wrong of [claimed('d', 1, 1), claimed('d', 3, 1), claimed('d', 2, 0)])
    again.when(happens(wrong)).then(t, refused);
});

t.test('a loss is counted beside the failures, and what waits for its time says so', async (t) => {
  given([...RUNNING, attemptFailed('c', 0, 1)]).leadsTo(t, {
    value: 'created',
    context: { curRetry: 0, losses: 1, lossesInARow: 1, notBefore: 12, claim: null },
  });
});

t.test('a pilot that comes back takes the mark away, and one that was not lost has none', async (t) => {
  const returned: JobEvent = { type: 'JobPilotReturned', data: { claim_id: 'c' } };
  given([...RUNNING, lost('c')])
    .when(happens(returned))
    .then(t, [returned], { context: { failAt: null } });
  given(RUNNING).when(happens(returned)).then(t, refused);
});

t.test('a retry begins its counts anew, and its attempts go on', async (t) => {
  const failed: JobEvent = {
    type: 'JobFailed',
    data: { class: 'poison', detail: 'three losses', claim_id: 'd' },
  };
  const retried = given([
    ...[...RUNNING, attemptFailed('c', 1, 2), QUEUED, claimed('d', 2, 1), failed],
    { type: 'JobRetried', data: {} },
  ]);
  retried.leadsTo(t, { value: 'created', context: { attempt: 2, curRetry: 0, losses: 0, notBefore: 0 } });
});
