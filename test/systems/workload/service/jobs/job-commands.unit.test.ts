/** What pilots and operators may want of a job: grants, stale claims, retries and losses, cancellations. */

import t from 'tap';
import type { JobEvent, JobSnapshot } from '../../../../../machines/workload/job.js';
import {
  type ClaimRequest,
  cancel,
  cancelled,
  fail,
  finish,
  giveUp,
  grant,
  JobRefusedError,
  job,
  retry,
  start,
} from '../../../../../src/systems/workload/service/jobs/job-commands.js';
import { markLost, markReturned } from '../../../../../src/systems/workload/service/jobs/job-upkeep.js';
import { specificationOf } from '../../../../support/given.js';

const given = specificationOf(job);
const TERMS = { now: 100, maxLosses: 5 };

const CREATED: JobEvent = {
  type: 'JobCreated',
  data: {
    ...{ seq: 0, level: 1, executable: 'sort', rank: 0, device_type: 'cpu', mode: 'map', retries: 1 },
    data_out_url: 'file:///out',
    inputs: [{ uid: 'f', dataset_uid: 'd', idx: 0, file_name: 'a', path: 'a' }],
    outputs: [{ uid: 'g', dataset_uid: 'o', idx: 0, file_name: 'a.j0' }],
    log: { uid: 'l', dataset_uid: 'l', idx: 0, file_name: 'a.j0.log' },
  },
};
const QUEUED: JobEvent = { type: 'JobQueued', data: { queue: 'cpu', batch: 'b' } };
const CLAIM: ClaimRequest = {
  claimIdOf: (attempt) => `c${attempt}`,
  ...{ pilot: 'p', sessionId: 's', curRetry: 0, leaseSeconds: 60 },
  ...{ deviceType: 'cpu', executables: ['sort', 'wc'] },
};
const claimed = (claim_id: string, attempt: number, cur_retry: number): JobEvent => ({
  type: 'JobClaimed',
  data: { pilot: 'p', session_id: 's', claim_id, attempt, cur_retry, lease_seconds: 60 },
});
const STARTED = { pid: 7, boot_id: 'b', start_time: '1', inputs_checked: 1 };
const started = (claim_id: string, attempt: number): JobEvent => ({
  type: 'JobStarted',
  data: { claim_id, attempt, ...STARTED },
});
const WRITTEN = { uid: 'g', file_name: 'a', path: '/out/a', size: '1', check_sum: 'c', sha256: 's' };
const TOLD = { exit_code: 0, outputs: [WRITTEN], log: WRITTEN, wall_seconds: 1.5 };
const FINISHED: JobEvent = { type: 'JobFinished', data: { claim_id: 'c1', attempt: 1, ...TOLD } };
const RUNNING = [CREATED, QUEUED, claimed('c1', 1, 0), started('c1', 1)];
const CANCEL: JobEvent = { type: 'JobCancelRequested', data: { reason: 'wrong', grace_seconds: 10 } };
const LOST: JobEvent = {
  type: 'JobPilotLost',
  data: { claim_id: 'c1', remarks: 'p is silent', fail_at: 700 },
};

const exit = { class: 'payload_exit', detail: 'it ended with 1', exit_code: 1 } as const;
const lost = { class: 'pilot_lost', detail: 'gone' } as const;
const failsBy = (claimId: string, failure: Parameters<typeof fail>[3]) => (snapshot: JobSnapshot) =>
  fail(snapshot, 'j', claimId, failure, TERMS);

/** What is decided on that, as events of a job. */
function eventsOf(past: readonly JobEvent[], decide: (snapshot: JobSnapshot) => JobEvent[]): JobEvent[] {
  let events: JobEvent[] = [];
  given(past).when((snapshot) => {
    events = decide(snapshot);
    return events;
  });
  return events;
}

t.test('a claim is granted once, as the next attempt', async (t) => {
  const queued = given([CREATED, QUEUED]);
  queued.when((snapshot) => grant(snapshot, 'j', CLAIM)).then(t, [claimed('c1', 1, 0)], { value: 'staging' });
  given(RUNNING)
    .when((snapshot) => grant(snapshot, 'j', CLAIM))
    .then(t, [], 'the same claim once more');
});

t.test('what can not be granted says why, for programs and for people', async (t) => {
  const other = { ...CLAIM, claimIdOf: (attempt: number) => `d${attempt}` };
  const cases: readonly (readonly [readonly JobEvent[], ClaimRequest, string, RegExp])[] = [
    [[], CLAIM, 'unknown', /is not there/],
    [[CREATED], CLAIM, 'stale', /waits to be queued again/],
    [RUNNING, other, 'claimed', /is running on pilot p/],
    [[...RUNNING, CANCEL], other, 'cancelled', /is cancelling/],
    [[...RUNNING, FINISHED], other, 'done', /is finished/],
    [[CREATED, QUEUED], { ...CLAIM, curRetry: 1 }, 'stale', /is at retry 0, not 1/],
    [[CREATED, QUEUED], { ...CLAIM, deviceType: 'gpu' }, 'stale', /is for a cpu, and the pilot has a gpu/],
    [[CREATED, QUEUED], { ...CLAIM, executables: ['wc'] }, 'stale', /needs sort/],
  ];
  for (const [past, claim, reason, message] of cases) {
    let told: unknown;
    given(past)
      .when((snapshot) => {
        try {
          return grant(snapshot, 'j', claim);
        } catch (error) {
          told = error instanceof JobRefusedError ? error.reason : error;
          throw error;
        }
      })
      .then(t, { kind: reason === 'unknown' ? 'not_found' : 'refused', message });
    t.equal(told, reason);
  }
});

t.test('what is told under another claim is stale', async (t) => {
  const stale = {
    kind: 'refused',
    message: /claim c9 of job j counts no more: it is granted to pilot p/,
  } as const;
  const running = given(RUNNING);
  running.when((snapshot) => start(snapshot, 'j', 'c9', STARTED)).then(t, stale);
  running.when((snapshot) => finish(snapshot, 'j', 'c9', TOLD)).then(t, stale);
  running.when(failsBy('c9', exit)).then(t, stale);
  running.when((snapshot) => cancelled(snapshot, 'j', 'c9', 1)).then(t, stale);
});

t.test('what is told once more is nothing new', async (t) => {
  given(RUNNING)
    .when((snapshot) => start(snapshot, 'j', 'c1', STARTED))
    .then(t, []);
  given([...RUNNING, FINISHED])
    .when((snapshot) => finish(snapshot, 'j', 'c1', TOLD))
    .then(t, []);
  given([...RUNNING, ...eventsOf(RUNNING, failsBy('c1', exit))])
    .when(failsBy('c1', exit))
    .then(t, []);
});

t.test('its own failures use up its retries, each later than the one before', async (t) => {
  const counts = { losses: 0, losses_in_a_row: 0 };
  given(RUNNING)
    .when(failsBy('c1', exit))
    .then(t, [
      {
        type: 'JobAttemptFailed',
        data: { ...exit, claim_id: 'c1', attempt: 1, cur_retry: 1, ...counts, not_before: 105 },
      },
    ]);
  const second: JobEvent[] = [
    ...RUNNING,
    {
      type: 'JobAttemptFailed',
      data: { ...exit, claim_id: 'c1', attempt: 1, cur_retry: 1, ...counts, not_before: 5 },
    },
    ...[QUEUED, claimed('c2', 2, 1), started('c2', 2)],
  ];
  given(second)
    .when(failsBy('c2', exit))
    .then(t, [{ type: 'JobFailed', data: { ...exit, claim_id: 'c2', attempt: 2 } }], { value: 'failed' });
  const log = { ...WRITTEN, uid: 'l' };
  given(second)
    .when(failsBy('c2', { ...exit, log }))
    .then(t, [{ type: 'JobFailed', data: { ...exit, log, claim_id: 'c2', attempt: 2 } }]);
  const retried = eventsOf(RUNNING, failsBy('c1', { ...exit, log }));
  t.match(retried, [{ type: 'JobAttemptFailed', data: { log: undefined } }]);
});

t.test('losses are counted apart, and three in a row are poison', async (t) => {
  const past: JobEvent[] = [CREATED];
  for (let n = 1; n <= 2; n++) {
    past.push(QUEUED, claimed(`c${n}`, n, 0), started(`c${n}`, n));
    const [event] = given(past)
      .when(failsBy(`c${n}`, lost))
      .events() as JobEvent[];
    if (event === undefined) throw new Error('nothing was decided');
    t.match(event, { type: 'JobAttemptFailed', data: { cur_retry: 0, losses: n, losses_in_a_row: n } });
    past.push(event);
  }
  past.push(QUEUED, claimed('c3', 3, 0));
  given(past)
    .when(failsBy('c3', lost))
    .events()
    .map((event) => t.match(event, { type: 'JobAttemptFailed', data: { losses: 3, losses_in_a_row: 2 } }));
  const broken = { class: 'end_unknown', detail: 'broken off' } as const;
  t.match(
    given(past).when(failsBy('c3', broken)).events(),
    [{ type: 'JobFailed', data: { class: 'poison' } }],
    'a start that was broken off had begun',
  );
  past.push(started('c3', 3));
  const neighbour = { class: 'keeper_lost', detail: 'another took it along' } as const;
  t.match(
    given(past).when(failsBy('c3', neighbour)).events(),
    [{ type: 'JobAttemptFailed', data: { losses: 3, losses_in_a_row: 2 } }],
    'a neighbour is not to blame',
  );
  const poison = given(past).when(failsBy('c3', lost)).events();
  t.match(poison, [{ type: 'JobFailed', data: { class: 'poison', detail: /3 times in a row.*gone/ } }]);
});

t.test(
  'a storage that is away, and a machine that can start nothing, make no job poison, and wait longer',
  (t) => {
    for (const why of ['storage_unavailable', 'start_failed'] as const) {
      const failure = { class: why, detail: 'ENOSPC' } as const;
      const past: JobEvent[] = [CREATED];
      const delays: number[] = [];
      for (let n = 1; n <= 5; n++) {
        past.push(QUEUED, claimed(`c${n}`, n, 0), started(`c${n}`, n));
        const [event] = given(past)
          .when(failsBy(`c${n}`, failure))
          .events() as JobEvent[];
        if (event?.type !== 'JobAttemptFailed') throw new Error('it was not tried again');
        t.match(event.data, { class: why, losses: n, losses_in_a_row: 0, cur_retry: 0 });
        delays.push(event.data.not_before - 100);
        past.push(event);
      }
      t.same(delays, [5, 60, 180, 300, 300]);
      past.push(QUEUED, claimed('c6', 6, 0), started('c6', 6));
      t.match(given(past).when(failsBy('c6', failure)).events(), [
        { type: 'JobFailed', data: { class: why, detail: 'it was lost 6 times; the last time: ENOSPC' } },
      ]);
    }
    t.end();
  },
);

t.test('how many losses a job survives is said by who runs the node', async (t) => {
  const decide = (maxLosses: number) => (snapshot: JobSnapshot) =>
    fail(snapshot, 'j', 'c1', lost, { ...TERMS, maxLosses });
  t.match(given(RUNNING).when(decide(1)).events(), [{ type: 'JobAttemptFailed', data: { losses: 1 } }]);
  const detail = 'it was lost once; the last time: gone';
  t.match(given(RUNNING).when(decide(0)).events(), [
    { type: 'JobFailed', data: { class: 'pilot_lost', detail } },
  ]);
});

t.test('what an input or the order is to blame for is not tried again', async (t) => {
  const missing = { class: 'input_missing', detail: 'a is not there' } as const;
  given(RUNNING)
    .when(failsBy('c1', missing))
    .then(t, [{ type: 'JobFailed', data: { ...missing, claim_id: 'c1', attempt: 1 } }]);
});

t.test('a claim that is sent again when its attempt has ended is another one', async (t) => {
  const lostOnce = [...RUNNING, ...eventsOf(RUNNING, failsBy('c1', lost))];
  const stale = { kind: 'refused', message: /was granted to this claim, whose attempt has ended/ } as const;
  given([...lostOnce, QUEUED])
    .when((snapshot) => grant(snapshot, 'j', CLAIM))
    .then(t, stale);
  given([...lostOnce, QUEUED])
    .when((snapshot) => grant(snapshot, 'j', { ...CLAIM, claimIdOf: (attempt) => `d${attempt}` }))
    .then(t, [claimed('d2', 2, 0)]);
});

t.test('a silent pilot marks its job, and is given up by the claim alone', async (t) => {
  const running = given(RUNNING);
  running.when((snapshot) => markLost(snapshot, 'c1', 'p is silent', 700)).then(t, [LOST]);
  running.when((snapshot) => markLost(snapshot, 'c9', 'p is silent', 700)).then(t, []);
  const silent = given([...RUNNING, LOST]);
  silent.when((snapshot) => markLost(snapshot, 'c1', 'once more', 800)).then(t, []);
  silent
    .when((snapshot) => markReturned(snapshot, 'c1'))
    .then(t, [{ type: 'JobPilotReturned', data: { claim_id: 'c1' } }]);
  running.when((snapshot) => markReturned(snapshot, 'c1')).then(t, []);
  const givesUp = (claimId: string) => (snapshot: JobSnapshot) =>
    giveUp(snapshot, claimId, 'silent', { ...TERMS, now: 700 });
  silent.when(givesUp('c9')).then(t, [], 'it is another claim by now');
  const [event] = silent.when(givesUp('c1')).events();
  t.match(event, { type: 'JobAttemptFailed', data: { class: 'pilot_lost', claim_id: 'c1', losses: 1 } });
  const [byLease] = given([...RUNNING, CANCEL, LOST])
    .when(givesUp('c1'))
    .events();
  t.match(byLease, { type: 'JobCancelled', data: { by_lease: true, claim_id: 'c1' } });
});

t.test('what waits is cancelled at once, what runs when it has ended', async (t) => {
  const wish = (snapshot: JobSnapshot) => cancel(snapshot, 'j', 'wrong', 10);
  given([CREATED, QUEUED])
    .when(wish)
    .then(t, [{ type: 'JobCancelled', data: { reason: 'wrong', processes_ended: 0 } }]);
  given(RUNNING).when(wish).then(t, [CANCEL]);
  given([...RUNNING, CANCEL])
    .when(wish)
    .then(t, [], 'asked for once more');
  given([...RUNNING, FINISHED])
    .when(wish)
    .then(t, { kind: 'refused', message: 'job j is finished already' });
  given([...RUNNING, CANCEL])
    .when((snapshot) => cancelled(snapshot, 'j', 'c1', 2))
    .then(
      t,
      [
        {
          type: 'JobCancelled',
          data: { reason: 'its processes have ended', processes_ended: 2, claim_id: 'c1' },
        },
      ],
      { value: 'cancelled' },
    );
  given([...RUNNING, CANCEL])
    .when((snapshot) => finish(snapshot, 'j', 'c1', TOLD))
    .then(t, [FINISHED], 'what was finished first wins');
});

t.test('only what failed is retried', async (t) => {
  const again = (snapshot: JobSnapshot) => retry(snapshot, 'j', undefined);
  given([CREATED, { type: 'JobFailed', data: { class: 'poison', detail: 'lost' } }])
    .when(again)
    .then(t, [{ type: 'JobRetried', data: { attempt: 0 } }], { value: 'created' });
  given(RUNNING)
    .when(again)
    .then(t, { kind: 'refused', message: /is running; only a failed one/ });
});
