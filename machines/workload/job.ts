/**
 * The life of a job: a program on some files, run by whichever pilot is granted it.
 *
 *   absent → created → queued → staging → running → finished
 *              ↑↑         │        └────────┴─ attempt failed → created
 *              │└─ withdrawn                └─ cancel → cancelling → cancelled
 *              └── (retry) ── failed
 *
 * What it guarantees:
 * - it runs by a grant alone, `JobClaimed` with a claim id, of which one lives at a time;
 * - whatever is told of an attempt carries its claim: of another than the living one nothing is taken;
 * - attempts count all grants; `cur_retry` counts the failures that were the job's own; losses are counted beside them, and
 *   those in a row;
 * - finished and cancelled are for ever, and a failed one takes a retry, which begins its counts anew;
 * - finishing wins over a cancellation that was asked for later than the report was stored, and no later report brings a
 *   cancelled one back.
 *
 * Its files are not in its context: the read model has them, and its first event.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import {
  type EventSchemas,
  type EventsOf,
  listOf,
  optional,
  record,
  textUpTo,
} from '../../src/runtime/event-store/event-schema.js';
import { PAYLOAD_FIELDS } from './task.js';

/** Inputs and outputs of a job at the most. */
export const MOST_FILES_OF_A_JOB = 1_000;

/** A file that a job reads, as far as its content is known; `size` in bytes. */
const INPUT = record({
  uid: 'text',
  dataset_uid: 'text',
  idx: 'integer',
  file_name: textUpTo(100),
  path: textUpTo(1_024),
  size: 'int64?',
  check_sum: 'text?',
  sha256: 'text?',
});

/** A file that a job is to write. */
const OUTPUT = record({ uid: 'text', dataset_uid: 'text', idx: 'integer', file_name: textUpTo(100) });

/** A file as it was written. */
const WRITTEN = record({
  uid: 'text',
  file_name: textUpTo(100),
  path: textUpTo(1_024),
  size: 'int64',
  check_sum: 'text',
  sha256: 'text',
});

const CLAIM = { claim_id: 'text', attempt: 'integer' } as const;

/** How a payload ended, as far as it is known. */
const END = { exit_code: 'integer?', exit_signal: 'text?' } as const;

/** Points in time are Unix seconds. */
export const JOB_EVENTS = {
  JobCreated: {
    version: 1,
    fields: {
      /** Absent for a single one. */
      task: 'text?',
      /** Its number in the task, from 0. */
      seq: 'integer',
      level: 'integer',
      ...PAYLOAD_FIELDS,
      data_out_url: 'text',
      inputs: listOf(INPUT, { most: MOST_FILES_OF_A_JOB }),
      outputs: listOf(OUTPUT, { most: MOST_FILES_OF_A_JOB }),
      log: OUTPUT,
    },
  },
  JobQueued: { version: 1, fields: { queue: 'text', batch: 'text' } },
  /** The hint was sent once more. */
  JobRequeued: { version: 1, fields: { queue: 'text', reason: 'text' } },
  /** The broker has laid its hint with the dead, for so many times since it was made or retried. */
  JobHintDied: { version: 1, fields: { queue: 'text', reason: 'text', deaths: 'integer' } },
  JobWithdrawn: { version: 1, fields: { reason: 'text' } },
  JobRanked: { version: 1, fields: { rank: 'integer' } },
  JobClaimed: {
    version: 1,
    fields: {
      pilot: 'text',
      session_id: 'text',
      ...CLAIM,
      cur_retry: 'integer',
      lease_seconds: 'integer',
    },
  },
  JobStarted: {
    version: 1,
    fields: { ...CLAIM, pid: 'integer', boot_id: 'text', start_time: 'text', inputs_checked: 'integer' },
  },
  JobAttemptFailed: {
    version: 1,
    fields: {
      ...CLAIM,
      /** One of the classes of failure. */
      class: 'text',
      detail: 'text',
      ...END,
      cur_retry: 'integer',
      losses: 'integer',
      losses_in_a_row: 'integer',
      /** It is not queued before. */
      not_before: 'number',
    },
  },
  JobFailed: {
    version: 1,
    fields: {
      class: 'text',
      detail: 'text',
      ...END,
      claim_id: 'text?',
      /** Absent where no attempt was under way. */
      attempt: 'integer?',
      /** Where the pilot could store it. */
      log: optional(WRITTEN),
      /** The input that is missing or another one than it was, with what was found. */
      file: 'text?',
      found_size: 'int64?',
      found_check_sum: 'text?',
    },
  },
  JobFinished: {
    version: 1,
    fields: {
      ...CLAIM,
      exit_code: 'integer',
      outputs: listOf(WRITTEN, { most: MOST_FILES_OF_A_JOB }),
      log: WRITTEN,
      cpu_seconds: 'number?',
      /** Bytes. */
      max_rss: 'int64?',
      wall_seconds: 'number',
    },
  },
  JobCancelRequested: { version: 1, fields: { reason: 'text', grace_seconds: 'integer' } },
  JobCancelled: {
    version: 1,
    fields: {
      reason: 'text',
      /** Of its claim; 0 where none had begun. */
      processes_ended: 'integer',
      claim_id: 'text?',
      /** Nobody said so: its keeper's deadline has passed. */
      by_lease: 'boolean?',
    },
  },
  JobPilotLost: { version: 1, fields: { claim_id: 'text', remarks: 'text', fail_at: 'number' } },
  JobPilotReturned: { version: 1, fields: { claim_id: 'text' } },
  /** `attempt`: those so far, so that it is known which log is of before. */
  JobRetried: { version: 1, fields: { reason: 'text?', attempt: 'integer?' } },
} as const satisfies EventSchemas;

export type JobEvent = EventsOf<typeof JOB_EVENTS>;

/** The grant under which a job is under way. */
export interface Claim {
  readonly claimId: string;
  readonly pilot: string;
  readonly sessionId: string;
}

export interface JobContext {
  /** The uid of its task; null for a single one. */
  readonly task: string | null;
  readonly executable: string;
  readonly deviceType: string;
  readonly rank: number;
  readonly retries: number;
  /** Grants so far. */
  readonly attempt: number;
  readonly curRetry: number;
  readonly losses: number;
  readonly lossesInARow: number;
  /** Sent since it was queued last. */
  readonly hints: number;
  /** Hints of it that the broker has laid with the dead. */
  readonly hintDeaths: number;
  readonly claim: Claim | null;
  /** The claim whose attempt has ended last: who tells its end once more tells nothing new. */
  readonly lastClaimId: string | null;
  /** Unix seconds; 0 for at once. */
  readonly notBefore: number;
  /** While the pilot's lease is lost: when the attempt fails, in Unix seconds. */
  readonly failAt: number | null;
}

const jobSetup = setup({
  types: {} as { context: JobContext; events: JobEvent },
  guards: {
    isNext: ({ context, event }) =>
      event.type === 'JobClaimed' &&
      event.data.attempt === context.attempt + 1 &&
      event.data.cur_retry === context.curRetry,
    isOfClaim: ({ context, event }) =>
      'claim_id' in event.data && event.data.claim_id === context.claim?.claimId,
    isLost: ({ context, event }) =>
      context.failAt !== null && 'claim_id' in event.data && event.data.claim_id === context.claim?.claimId,
  },
  actions: {
    create: assign(({ event }) => {
      if (event.type !== 'JobCreated') return {};
      const { task, executable, device_type: deviceType, rank, retries } = event.data;
      return { task: task ?? null, executable, deviceType, rank, retries };
    }),
    rank: assign(({ event }) => (event.type === 'JobRanked' ? { rank: event.data.rank } : {})),
    hint: assign({ hints: 1 }),
    hintDies: assign(({ event }) => (event.type === 'JobHintDied' ? { hintDeaths: event.data.deaths } : {})),
    hintAgain: assign(({ context }) => ({ hints: context.hints + 1 })),
    grant: assign(({ event }) => {
      if (event.type !== 'JobClaimed') return {};
      const { claim_id: claimId, pilot, session_id: sessionId, attempt } = event.data;
      return { attempt, claim: { claimId, pilot, sessionId }, failAt: null };
    }),
    fail: assign(({ event }) => {
      if (event.type !== 'JobAttemptFailed') return {};
      const { cur_retry: curRetry, losses, losses_in_a_row: lossesInARow, not_before } = event.data;
      const ended = { claim: null, lastClaimId: event.data.claim_id, failAt: null };
      return { curRetry, losses, lossesInARow, notBefore: not_before, ...ended };
    }),
    end: assign(({ context }) => ({
      claim: null,
      lastClaimId: context.claim?.claimId ?? null,
      failAt: null,
    })),
    markLost: assign(({ event }) => (event.type === 'JobPilotLost' ? { failAt: event.data.fail_at } : {})),
    unmarkLost: assign({ failAt: null }),
    beginAnew: assign({ curRetry: 0, losses: 0, lossesInARow: 0, notBefore: 0, hintDeaths: 0 }),
  },
});

const whileWaiting = {
  JobRanked: { actions: 'rank' },
  JobCancelled: { target: 'cancelled' },
  JobFailed: { target: 'failed' },
} as const;

const whileUnderWay = {
  JobFinished: { target: 'finished', guard: 'isOfClaim', actions: 'end' },
  JobFailed: { target: 'failed', guard: 'isOfClaim', actions: 'end' },
  JobPilotLost: { guard: 'isOfClaim', actions: 'markLost' },
  JobPilotReturned: { guard: 'isLost', actions: 'unmarkLost' },
} as const;

const attemptFailed = { target: 'created', guard: 'isOfClaim', actions: 'fail' } as const;

export const jobMachine = jobSetup.createMachine({
  id: 'wl_job',
  context: {
    ...{ task: null, executable: '', deviceType: 'cpu', rank: 0, retries: 0 },
    ...{ attempt: 0, curRetry: 0, losses: 0, lossesInARow: 0 },
    ...{ hints: 0, hintDeaths: 0, claim: null, lastClaimId: null, notBefore: 0, failAt: null },
  },
  initial: 'absent',
  states: {
    absent: { on: { JobCreated: { target: 'created', actions: 'create' } } },
    created: { on: { ...whileWaiting, JobQueued: { target: 'queued', actions: 'hint' } } },
    queued: {
      on: {
        ...whileWaiting,
        JobRequeued: { actions: 'hintAgain' },
        JobHintDied: { actions: 'hintDies' },
        JobWithdrawn: { target: 'created' },
        JobClaimed: { target: 'staging', guard: 'isNext', actions: 'grant' },
      },
    },
    staging: {
      on: {
        ...whileUnderWay,
        JobStarted: { target: 'running', guard: 'isOfClaim' },
        JobAttemptFailed: attemptFailed,
        JobCancelRequested: { target: 'cancelling' },
      },
    },
    running: {
      on: {
        ...whileUnderWay,
        JobAttemptFailed: attemptFailed,
        JobCancelRequested: { target: 'cancelling' },
      },
    },
    cancelling: {
      on: { ...whileUnderWay, JobCancelled: { target: 'cancelled', guard: 'isOfClaim', actions: 'end' } },
    },
    failed: { on: { JobRetried: { target: 'created', actions: 'beginAnew' } } },
    finished: {},
    cancelled: {},
  },
});

export type JobSnapshot = SnapshotFrom<typeof jobMachine>;
