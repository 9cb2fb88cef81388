/**
 * The life of a task: an input dataset becomes jobs, and their outputs a dataset.
 *
 *   absent → registered → splitting → running → finished
 *                │            │          └────→ failed → (retry) → splitting
 *                │            └──── finish ──→ finishing → finished
 *                └──── cancel ────→ cancelling → cancelled
 *
 * What it guarantees:
 * - a file is in one job of its level: the plan of a chunk begins where the one before it ended, in the files of its level and in
 *   the numbers of the jobs. Level 1 reads the input; each further one what the jobs of the one before it wrote, all of it;
 * - what is left out is left out by name, so that which files a job has follows from the plan alone;
 * - nothing is planned once all is planned, nor behind a cancellation or a soft finish;
 * - a finished and a cancelled task take nothing more; a failed one takes a retry, its acceptance as it is, or a cancellation;
 * - whether it is held is beside its state: nothing is planned while it is.
 *
 * It counts what it has planned. How its jobs stand is the read model's; the event of its end says what was counted.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import {
  type DataOf,
  type EventSchemas,
  type EventsOf,
  listOf,
  optional,
  textUpTo,
} from '../../src/runtime/event-store/event-schema.js';

/** Jobs that one event plans, and files that it leaves out. */
export const MOST_JOBS_OF_A_CHUNK = 500;
export const MOST_SKIPPED_OF_A_CHUNK = 1_000;

/** What a task's jobs have in common; also the order of a job. */
export const PAYLOAD_FIELDS = {
  /** A name from the pilots' list of what they may run. */
  executable: textUpTo(50),
  args: 'text?',
  /** Larger first. */
  rank: 'integer',
  /** `cpu` or `gpu`. */
  device_type: 'text',
  /** `map` or `merge`. */
  mode: 'text',
  /** Further attempts after failures that are the job's own. */
  retries: 'integer',
  timeout_seconds: 'integer?',
  memory_mib: 'integer?',
} as const;

/** Where a task reads and writes, and how its files become jobs; also of a step of a series. */
export const SPLIT_FIELDS = {
  /** Where its input lies, if not where the dataset says. */
  storage_url: 'text?',
  data_out_url: 'text',
  files_per_job: 'integer',
  max_failed_jobs: 'integer',
  require_complete: 'boolean',
  until_one: 'boolean',
} as const;

const TASK_ORDER = {
  name: 'text?',
  ...PAYLOAD_FIELDS,
  data_in_uid: 'text',
  data_out_uid: 'text',
  data_log_uid: 'text',
  ...SPLIT_FIELDS,
  series_uid: 'text?',
  parent_task: 'text?',
} as const;

/** How its jobs ended. */
const COUNTS = { finished: 'integer', failed: 'integer', cancelled: 'integer' } as const;

export const TASK_EVENTS = {
  TaskRegistered: { version: 1, fields: TASK_ORDER },
  TaskSplitStarted: { version: 1, fields: {} },
  TaskJobsPlanned: {
    version: 1,
    fields: {
      /** Counted from 1, over the whole task. */
      chunk: 'integer',
      /** 1 reads the input; each further one what the one before it wrote. */
      level: 'integer',
      /** Of a file of the input; above level 1 the number of the job that wrote it. */
      first_idx: 'integer',
      files: 'integer',
      first_seq: 'integer',
      jobs: 'integer',
      /** Places among these whose files are in no job, for they will not come. */
      skipped: optional(listOf('integer', { most: MOST_SKIPPED_OF_A_CHUNK })),
      /** What its one job writes is what is left at the end. */
      last_level: 'boolean?',
    },
  },
  TaskSplitCompleted: { version: 1, fields: { jobs: 'integer' } },
  TaskHeld: { version: 1, fields: { reason: 'text?' } },
  TaskReleased: { version: 1, fields: { reason: 'text?' } },
  TaskRanked: { version: 1, fields: { rank: 'integer' } },
  TaskFinishRequested: { version: 1, fields: { reason: 'text?' } },
  TaskCancelRequested: { version: 1, fields: { reason: 'text?' } },
  /** Of all jobs that have failed, or of that one. */
  TaskRetried: { version: 1, fields: { reason: 'text?', job: 'text?' } },
  TaskFinished: { version: 1, fields: { ...COUNTS, reason: 'text?' } },
  TaskFailed: { version: 1, fields: { ...COUNTS, reason: 'text' } },
  TaskCancelled: { version: 1, fields: { ...COUNTS, reason: 'text?' } },
} as const satisfies EventSchemas;

export type TaskEvent = EventsOf<typeof TASK_EVENTS>;
export type TaskOrder = DataOf<typeof TASK_ORDER>;

export interface TaskContext {
  readonly order: TaskOrder | null;
  readonly rank: number;
  readonly held: boolean;
  /** Planned so far: chunks and jobs altogether, and the level with the place in it that is next. */
  readonly chunks: number;
  readonly jobs: number;
  readonly level: number;
  readonly nextIdx: number;
  /** The number of the level's first job. */
  readonly levelFirst: number;
  /** The level is the last. */
  readonly isLast: boolean;
  /** All jobs are planned. */
  readonly isSplit: boolean;
  /** So often jobs were retried: who counted them before has counted something else. */
  readonly round: number;
}

/** A chunk goes on where the one before it ended, or begins the next level with the first that this level wrote. */
function follows(
  context: TaskContext,
  planned: Extract<TaskEvent, { type: 'TaskJobsPlanned' }>['data'],
): boolean {
  const { chunk, level, first_idx: first, files, first_seq: seq, jobs, skipped = [], last_level } = planned;
  const { level: current, nextIdx, levelFirst } = context;
  if (context.isSplit || context.held || context.isLast) return false;
  const goesOn = level === current && first === nextIdx;
  const begins =
    level === current + 1 &&
    first === levelFirst &&
    (level === 1 || context.jobs > levelFirst) &&
    (level <= 2 || nextIdx === levelFirst);
  // What a level reads above the first are the jobs of the one below.
  const end = goesOn ? levelFirst : context.jobs;
  const taken = files - skipped.length;
  return (
    (goesOn || begins) &&
    (level === 1 || first + files <= end) &&
    chunk === context.chunks + 1 &&
    seq === context.jobs &&
    files > 0 &&
    (jobs > 0 ? taken >= jobs : taken === 0) &&
    (last_level !== true || jobs === 1)
  );
}

const taskSetup = setup({
  types: {} as { context: TaskContext; events: TaskEvent },
  guards: {
    follows: ({ context, event }) => event.type === 'TaskJobsPlanned' && follows(context, event.data),
    isAll: ({ context, event }) => event.type === 'TaskSplitCompleted' && event.data.jobs === context.jobs,
    addsUp: ({ context, event }) => {
      if (!('finished' in event.data)) return false;
      const { finished, failed, cancelled } = event.data;
      return finished + failed + cancelled === context.jobs;
    },
    isHeld: ({ context }) => context.held,
    isNotHeld: ({ context }) => !context.held,
    isUnsplit: ({ context }) => !context.isSplit,
    isOfOne: ({ event }) => event.type === 'TaskRetried' && event.data.job !== undefined,
  },
  actions: {
    register: assign(({ event }) =>
      event.type === 'TaskRegistered' ? { order: event.data, rank: event.data.rank } : {},
    ),
    plan: assign(({ context, event }) => {
      if (event.type !== 'TaskJobsPlanned') return {};
      const { chunk, level, first_idx, files, jobs, last_level: isLast = false } = event.data;
      const levelFirst = level === context.level ? context.levelFirst : context.jobs;
      return {
        chunks: chunk,
        level,
        nextIdx: first_idx + files,
        jobs: context.jobs + jobs,
        levelFirst,
        isLast,
      };
    }),
    split: assign({ isSplit: true }),
    retry: assign(({ context }) => ({ round: context.round + 1 })),
    hold: assign({ held: true }),
    release: assign({ held: false }),
    rank: assign(({ event }) => (event.type === 'TaskRanked' ? { rank: event.data.rank } : {})),
  },
});

const whileLiving = {
  TaskHeld: { guard: 'isNotHeld', actions: 'hold' },
  TaskReleased: { guard: 'isHeld', actions: 'release' },
  TaskRanked: { actions: 'rank' },
} as const;
const finished = { target: 'finished', guard: 'addsUp' } as const;
const failed = { target: 'failed', guard: 'addsUp' } as const;
const ofOne = { guard: 'isOfOne', actions: 'retry' } as const;
const cancelling = { target: 'cancelling' } as const;
const finishing = { target: 'finishing' } as const;

export const taskMachine = taskSetup.createMachine({
  id: 'wl_task',
  context: {
    ...{ order: null, rank: 0, held: false },
    ...{ chunks: 0, jobs: 0, level: 0, nextIdx: 0, levelFirst: 0, isLast: false },
    ...{ isSplit: false, round: 0 },
  },
  initial: 'absent',
  states: {
    absent: { on: { TaskRegistered: { target: 'registered', actions: 'register' } } },
    registered: {
      on: {
        ...whileLiving,
        TaskSplitStarted: { target: 'splitting' },
        // There is nothing yet that could run.
        TaskCancelRequested: cancelling,
        TaskFailed: failed,
      },
    },
    splitting: {
      on: {
        ...whileLiving,
        TaskJobsPlanned: { guard: 'follows', actions: 'plan' },
        TaskSplitCompleted: { target: 'running', guard: 'isAll', actions: 'split' },
        TaskRetried: ofOne,
        TaskFinishRequested: finishing,
        TaskCancelRequested: cancelling,
        TaskFailed: failed,
      },
    },
    running: {
      on: {
        ...whileLiving,
        TaskRetried: ofOne,
        TaskFinished: finished,
        TaskFailed: failed,
        TaskFinishRequested: finishing,
        TaskCancelRequested: cancelling,
      },
    },
    finishing: { on: { TaskFinished: finished, TaskCancelRequested: cancelling } },
    cancelling: { on: { TaskCancelled: { target: 'cancelled', guard: 'addsUp' } } },
    failed: {
      on: {
        TaskRetried: [
          { target: 'splitting', guard: 'isUnsplit', actions: 'retry' },
          { target: 'running', actions: 'retry' },
        ],
        TaskFinishRequested: finishing,
        TaskCancelRequested: cancelling,
      },
    },
    finished: {},
    cancelled: {},
  },
});

export type TaskSnapshot = SnapshotFrom<typeof taskMachine>;
