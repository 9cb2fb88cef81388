/**
 * The life of one file of a dataset.
 *
 *   absent → available ⇄ missing, corrupt
 *          → declared → available | failed | discarded;   failed → declared;   log of a failed job → declared
 *
 * One that a job writes has its first event once its job has ended, and is available from then on, or registered as declared together
 * with what became of it; behind a retry it is declared again.
 *
 * What it guarantees:
 * - what a job was to write is available only once it is there with size and checksum, as the job's report says;
 * - what is available has the size and the checksum that it had at first, for ever: who finds another says that it is corrupt; only
 *   what a job wrote is declared again, the log of one that failed and is retried;
 * - what is discarded is gone.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import { type EventSchemas, type EventsOf, textUpTo } from '../../src/runtime/event-store/event-schema.js';

/** What a file holds, as far as it is known: `size` in bytes, `check_sum` an MD5 in the form of a UUID. */
const CONTENT = { size: 'int64?', check_sum: 'text?', sha256: 'text?' } as const;

export const FILE_EVENTS = {
  FileRegistered: {
    version: 1,
    fields: {
      dataset_uid: 'text',
      /** Its place in the dataset, from 0. */
      idx: 'integer',
      file_name: textUpTo(100),
      path: textUpTo(1_024),
      ...CONTENT,
      /** A job will write it. */
      declared: 'boolean',
      /** Where it is there by a job, by which attempt. */
      job: 'text?',
      attempt: 'integer?',
    },
  },
  FileAvailable: {
    version: 1,
    fields: {
      file_name: textUpTo(100),
      path: textUpTo(1_024),
      size: 'int64',
      check_sum: 'text',
      sha256: 'text',
      job: 'text',
      attempt: 'integer',
    },
  },
  /** Somebody looked, a job for one. */
  FileMissing: { version: 1, fields: { job: 'text?', detail: 'text' } },
  FileCorrupt: {
    version: 1,
    fields: { job: 'text?', detail: 'text', found_size: 'int64?', found_check_sum: 'text?' },
  },
  /** Its size and checksum were not known before. */
  FileVerified: { version: 1, fields: { size: 'int64', check_sum: 'text', sha256: 'text' } },
  FileFailed: { version: 1, fields: { reason: 'text' } },
  FileDiscarded: { version: 1, fields: { reason: 'text' } },
  FileDeclaredAgain: { version: 1, fields: { reason: 'text' } },
  FileRestored: { version: 1, fields: { reason: 'text' } },
} as const satisfies EventSchemas;

export type FileEvent = EventsOf<typeof FILE_EVENTS>;

export interface FileContext {
  readonly datasetUid: string | null;
  readonly idx: number;
  /** Null while it is not known. */
  readonly size: string | null;
  readonly checkSum: string | null;
  /** Of the job that wrote it; null for one from outside and while it is declared. */
  readonly attempt: number | null;
}

const fileSetup = setup({
  types: {} as { context: FileContext; events: FileEvent },
  guards: {
    isDeclared: ({ event }) => event.type === 'FileRegistered' && event.data.declared,
    isWritten: ({ context }) => context.attempt !== null,
    isUnknown: ({ context }) => context.checkSum === null,
  },
  actions: {
    register: assign(({ event }) => {
      if (event.type !== 'FileRegistered') return {};
      const { dataset_uid: datasetUid, idx, size, check_sum, attempt } = event.data;
      return { datasetUid, idx, size: size ?? null, checkSum: check_sum ?? null, attempt: attempt ?? null };
    }),
    know: assign(({ event }) =>
      event.type === 'FileAvailable' || event.type === 'FileVerified'
        ? { size: event.data.size, checkSum: event.data.check_sum }
        : {},
    ),
    attribute: assign(({ event }) => (event.type === 'FileAvailable' ? { attempt: event.data.attempt } : {})),
    forget: assign(({ event }) =>
      event.type === 'FileDeclaredAgain' ? { size: null, checkSum: null, attempt: null } : {},
    ),
  },
});

const whileKnown = { FileDiscarded: { target: 'discarded' } } as const;

const onceFound = {
  ...whileKnown,
  FileMissing: { target: 'missing' },
  FileCorrupt: { target: 'corrupt' },
  FileDeclaredAgain: { target: 'declared', guard: 'isWritten', actions: 'forget' },
} as const;

const onceBad = { ...onceFound, FileRestored: { target: 'available' } } as const;

export const fileMachine = fileSetup.createMachine({
  id: 'wl_file',
  context: { datasetUid: null, idx: 0, size: null, checkSum: null, attempt: null },
  initial: 'absent',
  states: {
    absent: {
      on: {
        FileRegistered: [
          { target: 'declared', guard: 'isDeclared', actions: 'register' },
          { target: 'available', actions: 'register' },
        ],
      },
    },
    declared: {
      on: {
        ...whileKnown,
        FileAvailable: { target: 'available', actions: ['know', 'attribute'] },
        FileFailed: { target: 'failed' },
      },
    },
    available: { on: { ...onceFound, FileVerified: { guard: 'isUnknown', actions: 'know' } } },
    missing: { on: onceBad },
    corrupt: { on: onceBad },
    failed: { on: { ...whileKnown, FileDeclaredAgain: { target: 'declared', actions: 'forget' } } },
    discarded: {},
  },
});

export type FileSnapshot = SnapshotFrom<typeof fileMachine>;
