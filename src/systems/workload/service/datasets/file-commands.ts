/**
 * What becomes of a file, as decisions. Events of jobs come again, on another node or out of a backup, and in whatever order their
 * streams are read: so each looks at the state of the file alone, and what has happened already gives nothing.
 *
 * Guarantee: a file whose place is taken and that is not registered yet is registered with what is said of it, in one append.
 */

import type { FileEvent, FileSnapshot } from '../../../../../machines/workload/file.js';

type EventOf<T extends FileEvent['type']> = Extract<FileEvent, { type: T }>;

export type FileRegistration = EventOf<'FileRegistered'>['data'];
export type WrittenFile = EventOf<'FileAvailable'>['data'];
export type Decide = (snapshot: FileSnapshot) => FileEvent[];

export function registerFile(data: FileRegistration): Decide {
  return ({ value }) => (value === 'absent' ? [{ type: 'FileRegistered', data }] : []);
}

/** Of a file that a job was to write and did not: registered first where nothing has become of it yet. */
export function ofDeclared(
  place: FileRegistration,
  event: EventOf<'FileFailed'> | EventOf<'FileDiscarded'>,
): Decide {
  return ({ value }) => {
    if (value === 'absent') return [{ type: 'FileRegistered', data: place }, event];
    return value === 'declared' ? [event] : [];
  };
}

/** Of a file that a job has written: where nothing has become of it yet it is there from its first event on. */
export function availableFrom(place: FileRegistration, written: WrittenFile): Decide {
  return ({ value }) => {
    if (value === 'absent')
      return [{ type: 'FileRegistered', data: Object.assign({}, place, written, { declared: false }) }];
    return value === 'declared' ? [{ type: 'FileAvailable', data: written }] : [];
  };
}

/** Nobody wants what is there. */
export function discard(reason: string): Decide {
  return ({ value }) => (value === 'available' ? [{ type: 'FileDiscarded', data: { reason } }] : []);
}

export interface Finding {
  readonly detail: string;
  /** The uid of the job that found it so. */
  readonly job?: string | undefined;
}

const HAS_CONTENT: ReadonlySet<string> = new Set(['available', 'missing', 'corrupt']);

export interface Retry {
  readonly reason: string;
  /** Attempts of its job before it was retried. */
  readonly attempts: number;
  /** It has failed once more since. */
  readonly hasFailedSince: boolean;
}

/** Of a file whose job is retried: what it wrote in an attempt since stays. */
export function declareAgain({ reason, attempts, hasFailedSince }: Retry): Decide {
  return ({ value, context: { attempt } }) => {
    const isOld = HAS_CONTENT.has(value) && attempt !== null && attempt <= attempts;
    const isToBeWritten = value === 'failed' && !hasFailedSince;
    return isOld || isToBeWritten ? [{ type: 'FileDeclaredAgain', data: { reason } }] : [];
  };
}

/** What is known to be so already is not told again. */
export function findMissing({ detail, job }: Finding): Decide {
  return ({ value }) =>
    HAS_CONTENT.has(value) && value !== 'missing'
      ? [{ type: 'FileMissing', data: { detail, ...(job === undefined ? {} : { job }) } }]
      : [];
}

export interface CorruptFinding extends Finding {
  /** Bytes. */
  readonly size?: string | undefined;
  readonly checkSum?: string | undefined;
}

export function findCorrupt({ detail, job, size, checkSum }: CorruptFinding): Decide {
  return ({ value }) => {
    if (!HAS_CONTENT.has(value) || value === 'corrupt') return [];
    const found = {
      ...(size === undefined ? {} : { found_size: size }),
      ...(checkSum === undefined ? {} : { found_check_sum: checkSum }),
    };
    return [{ type: 'FileCorrupt', data: { detail, ...(job === undefined ? {} : { job }), ...found } }];
  };
}

/** It is there, as it was at first; where nothing was known of its content this is what is known from now on. */
export function findWhole(content: EventOf<'FileVerified'>['data']): Decide {
  return ({ value, context }) => {
    const restored: FileEvent[] =
      value === 'missing' || value === 'corrupt'
        ? [{ type: 'FileRestored', data: { reason: 'it is there as it was' } }]
        : [];
    const verified: FileEvent[] = context.checkSum === null ? [{ type: 'FileVerified', data: content }] : [];
    return HAS_CONTENT.has(value) ? [...restored, ...verified] : [];
  };
}
