/**
 * The life of a series: datasets, one after another, each through the same steps of tasks.
 *
 *   absent → created → running ⇄ failed
 *               │         ├──────→ finished
 *               └─────────┴─ cancel ─→ cancelling → cancelled
 *
 * What it guarantees:
 * - datasets begin in their order, each once, never more of them under way than the series was given;
 * - nothing begins while it has failed, nor once it is to be cancelled;
 * - it has ended when each dataset has: finished, or passed over for it was cancelled.
 *
 * Its tasks are actors of their own (task.ts); here are only how many datasets have begun and which of them are under way.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import {
  type DataOf,
  type EventSchemas,
  type EventsOf,
  listOf,
  record,
} from '../../src/runtime/event-store/event-schema.js';
import { PAYLOAD_FIELDS, SPLIT_FIELDS } from './task.js';

export const MOST_DATASETS_OF_A_SERIES = 1_000;
export const MOST_STEPS_OF_A_SERIES = 20;
/** Datasets that may be under way at once. */
export const MOST_AT_ONCE = 100;

/** A task without what it reads: the first step reads the dataset, each further one what the one before it writes. */
const STEP = {
  name: 'text?',
  ...PAYLOAD_FIELDS,
  /** Its `storage_url` is of the first step alone. */
  ...SPLIT_FIELDS,
} as const;

const COUNTS = { finished: 'integer', passed_over: 'integer' } as const;

export const SERIES_EVENTS = {
  SeriesCreated: {
    version: 1,
    fields: {
      name: 'text',
      /** Their uids, in order. */
      datasets: listOf('text', { most: MOST_DATASETS_OF_A_SERIES }),
      steps: listOf(record(STEP), { most: MOST_STEPS_OF_A_SERIES }),
      concurrency: 'integer',
    },
  },
  /** Its tasks are registered behind this. `index` counts from 0. */
  SeriesDatasetBegun: { version: 1, fields: { index: 'integer', dataset: 'text' } },
  SeriesDatasetEnded: {
    version: 1,
    fields: {
      index: 'integer',
      /** `finished`, or `passed_over` where it was cancelled, be it before it began. */
      outcome: 'text',
      reason: 'text?',
    },
  },
  SeriesFailed: { version: 1, fields: { index: 'integer', step: 'integer', task: 'text', reason: 'text' } },
  SeriesResumed: { version: 1, fields: {} },
  SeriesCancelRequested: { version: 1, fields: { reason: 'text?' } },
  SeriesFinished: { version: 1, fields: COUNTS },
  SeriesCancelled: { version: 1, fields: COUNTS },
} as const satisfies EventSchemas;

export type SeriesEvent = EventsOf<typeof SERIES_EVENTS>;
export type SeriesStep = DataOf<typeof STEP>;

export interface SeriesContext {
  readonly datasets: number;
  readonly concurrency: number;
  /** In order, and so the place of the next. */
  readonly begun: number;
  readonly finished: number;
  readonly passedOver: number;
  /** Places of those that have begun and not ended; never more than `concurrency`. */
  readonly underWay: readonly number[];
}

const seriesSetup = setup({
  types: {} as { context: SeriesContext; events: SeriesEvent },
  guards: {
    isSome: ({ event }) =>
      event.type === 'SeriesCreated' && event.data.datasets.length > 0 && event.data.steps.length > 0,
    begins: ({ context: { datasets, begun, underWay, concurrency }, event }) =>
      event.type === 'SeriesDatasetBegun' &&
      event.data.index === begun &&
      begun < datasets &&
      underWay.length < concurrency,
    ends: ({ context: { underWay }, event }) =>
      event.type === 'SeriesDatasetEnded' && underWay.includes(event.data.index),
    endsOrNeverBegins: ({ context: { datasets, begun, underWay }, event }) =>
      event.type === 'SeriesDatasetEnded' &&
      (underWay.includes(event.data.index) ||
        (event.data.index === begun && begun < datasets && event.data.outcome === 'passed_over')),
    isOfOneUnderWay: ({ context, event }) =>
      event.type === 'SeriesFailed' && context.underWay.includes(event.data.index),
    isDone: ({ context: { datasets, finished, passedOver }, event }) =>
      event.type === 'SeriesFinished' &&
      event.data.finished === finished &&
      event.data.passed_over === passedOver &&
      finished + passedOver === datasets,
    isQuiet: ({ context: { underWay, finished, passedOver }, event }) =>
      event.type === 'SeriesCancelled' &&
      underWay.length === 0 &&
      event.data.finished === finished &&
      event.data.passed_over === passedOver,
  },
  actions: {
    create: assign(({ event }) =>
      event.type === 'SeriesCreated'
        ? { datasets: event.data.datasets.length, concurrency: event.data.concurrency }
        : {},
    ),
    begin: assign(({ context, event }) =>
      event.type === 'SeriesDatasetBegun'
        ? { begun: context.begun + 1, underWay: [...context.underWay, event.data.index] }
        : {},
    ),
    end: assign(({ context: { begun, underWay, finished, passedOver }, event }) => {
      if (event.type !== 'SeriesDatasetEnded') return {};
      const { index, outcome } = event.data;
      return {
        begun: Math.max(begun, index + 1),
        underWay: underWay.filter((one) => one !== index),
        ...(outcome === 'finished' ? { finished: finished + 1 } : { passedOver: passedOver + 1 }),
      };
    }),
  },
});

const began = { target: 'running', guard: 'begins', actions: 'begin' } as const;
const cancelling = { target: 'cancelling' } as const;

export const seriesMachine = seriesSetup.createMachine({
  id: 'wl_series',
  context: { datasets: 0, concurrency: 1, begun: 0, finished: 0, passedOver: 0, underWay: [] },
  initial: 'absent',
  states: {
    absent: { on: { SeriesCreated: { target: 'created', guard: 'isSome', actions: 'create' } } },
    created: {
      on: {
        SeriesDatasetBegun: began,
        SeriesDatasetEnded: { target: 'running', guard: 'endsOrNeverBegins', actions: 'end' },
        SeriesCancelRequested: cancelling,
      },
    },
    running: {
      on: {
        SeriesDatasetBegun: began,
        SeriesDatasetEnded: { guard: 'endsOrNeverBegins', actions: 'end' },
        SeriesFailed: { target: 'failed', guard: 'isOfOneUnderWay' },
        SeriesFinished: { target: 'finished', guard: 'isDone' },
        SeriesCancelRequested: cancelling,
      },
    },
    failed: {
      on: {
        SeriesDatasetEnded: { guard: 'ends', actions: 'end' },
        SeriesResumed: { target: 'running' },
        SeriesCancelRequested: cancelling,
      },
    },
    cancelling: {
      on: {
        SeriesDatasetEnded: { guard: 'ends', actions: 'end' },
        SeriesCancelled: { target: 'cancelled', guard: 'isQuiet' },
      },
    },
    finished: {},
    cancelled: {},
  },
});

export type SeriesSnapshot = SnapshotFrom<typeof seriesMachine>;
