/**
 * The life of a dataset: an ordered list of files that grows at its end, is sealed once and closed for ever.
 *
 *   absent → registered → open → sealed → closed
 *              └──────────┴────────┴──→ cancelling → aborted
 *
 * What it guarantees:
 * - each file has one place, counted from 0, and each place one file: a batch begins where the one before it ended;
 * - nothing is added to what is sealed;
 * - one that is to be cancelled takes nothing more, and is aborted once no task that reads it lives; what a task writes is aborted
 *   with its task, and so at once;
 * - what is closed says how many of its files are there, and never opens again.
 *
 * Its files are actors of their own (file.ts); here are only their number and their places. Whether a name stands in it already
 * is asked of the read model, and the place at which a batch begins says that it was asked of all before it.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import {
  type EventSchemas,
  type EventsOf,
  listOf,
  record,
  textUpTo,
} from '../../src/runtime/event-store/event-schema.js';

/** Files that one event takes. */
export const MOST_FILES_OF_A_BATCH = 1_000;

/** Lengths are UTF-16 units, twice the letters that a name may have. `size` in bytes; `check_sum` is an MD5 in the form of a UUID, `sha256` 64 hex digits. What is not known is left out. */
export const NAMED_FILE = record({
  name: textUpTo(100),
  path: textUpTo(1_024),
  size: 'int64?',
  check_sum: 'text?',
  sha256: 'text?',
});

export const DATASET_EVENTS = {
  DatasetRegistered: {
    version: 1,
    fields: {
      name: textUpTo(510),
      storage_url: 'text?',
      /** It is sealed by itself when so many are in it. */
      expected_files: 'integer?',
      /** The uid of the task that writes it; absent for what comes from outside. */
      producer_task: 'text?',
      /** What the task writes into it: `output` or `log`. */
      produces: 'text?',
      series_uid: 'text?',
      series_index: 'integer?',
    },
  },
  DatasetFilesAdded: {
    version: 1,
    fields: {
      first_idx: 'integer',
      /** They will be written by jobs: nothing of them is there yet. */
      declared: 'boolean',
      files: listOf(NAMED_FILE, { most: MOST_FILES_OF_A_BATCH }),
    },
  },
  DatasetSealed: { version: 1, fields: { files: 'integer', reason: 'text?' } },
  DatasetClosed: {
    version: 1,
    fields: {
      files_available: 'integer',
      files_failed: 'integer',
      bytes: 'int64',
      /** All of them are available. */
      complete: 'boolean',
    },
  },
  DatasetCancelRequested: { version: 1, fields: { reason: 'text' } },
  DatasetAborted: { version: 1, fields: { reason: 'text' } },
} as const satisfies EventSchemas;

export type DatasetEvent = EventsOf<typeof DATASET_EVENTS>;

export interface DatasetContext {
  readonly storageUrl: string | null;
  readonly expectedFiles: number | null;
  readonly producerTask: string | null;
  /** In it, and so the place of the next. */
  readonly files: number;
}

const datasetSetup = setup({
  types: {} as { context: DatasetContext; events: DatasetEvent },
  guards: {
    isNext: ({ context, event }) =>
      event.type === 'DatasetFilesAdded' &&
      event.data.first_idx === context.files &&
      event.data.files.length > 0,
    isWhole: ({ context, event }) => event.type === 'DatasetSealed' && event.data.files === context.files,
    isSettled: ({ context, event }) =>
      event.type === 'DatasetClosed' &&
      event.data.files_available + event.data.files_failed <= context.files &&
      event.data.complete === (event.data.files_available === context.files),
  },
  actions: {
    register: assign(({ event }) => {
      if (event.type !== 'DatasetRegistered') return {};
      const { storage_url, expected_files, producer_task } = event.data;
      return {
        storageUrl: storage_url ?? null,
        expectedFiles: expected_files ?? null,
        producerTask: producer_task ?? null,
      };
    }),
    add: assign(({ context, event }) =>
      event.type === 'DatasetFilesAdded' ? { files: context.files + event.data.files.length } : {},
    ),
  },
});

const whileLiving = {
  DatasetCancelRequested: { target: 'cancelling' },
  DatasetAborted: { target: 'aborted' },
} as const;

const whileGrowing = {
  ...whileLiving,
  DatasetFilesAdded: { target: 'open', guard: 'isNext', actions: 'add' },
  DatasetSealed: { target: 'sealed', guard: 'isWhole' },
} as const;

export const datasetMachine = datasetSetup.createMachine({
  id: 'wl_dataset',
  context: { storageUrl: null, expectedFiles: null, producerTask: null, files: 0 },
  initial: 'absent',
  states: {
    absent: { on: { DatasetRegistered: { target: 'registered', actions: 'register' } } },
    registered: { on: whileGrowing },
    open: { on: whileGrowing },
    sealed: { on: { ...whileLiving, DatasetClosed: { target: 'closed', guard: 'isSettled' } } },
    cancelling: { on: { DatasetAborted: { target: 'aborted' } } },
    closed: {},
    aborted: {},
  },
});

export type DatasetSnapshot = SnapshotFrom<typeof datasetMachine>;
