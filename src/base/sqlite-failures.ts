/**
 * What SQLite's failures mean to whoever runs the node. Guarantees that what file system, locks and disk do wrong becomes
 * a StoreUnavailableError that says what to do and whether a write may have been stored; faults of a statement stay as
 * they are.
 */

import { messageOf, StoreUnavailableError } from './errors.js';
import { systemErrorCode } from './system-error.js';

interface Failure {
  /** SQLite's primary result code. */
  readonly code: number;
  /** SQLite's text for it. */
  readonly text: string;
  /** What it means to whoever runs the node, behind the name of the file. */
  readonly advice: string;
}

const BUSY: Failure = {
  code: 5,
  text: 'database is locked',
  advice: 'is locked by another process; stop that one or ask again later',
};
const IO_ERROR: Failure = {
  code: 10,
  text: 'disk I/O error',
  advice: 'could not be read or written; check the disk and the system log',
};

/** What goes wrong outside of a statement. Codes that aren't here are faults of the statement itself. */
const FAILURES: readonly Failure[] = [
  BUSY,
  IO_ERROR,
  {
    code: 6,
    text: 'database table is locked',
    advice: 'is locked by a statement that has not ended; ask again later',
  },
  { code: 7, text: 'out of memory', advice: 'needs more memory than there is; free some and ask again' },
  {
    code: 8,
    text: 'attempt to write a readonly database',
    advice: 'is read-only; check the owner and the permissions of the file and of its directory',
  },
  {
    code: 11,
    text: 'database disk image is malformed',
    advice: 'is damaged; stop the node and restore the file from a backup',
  },
  { code: 13, text: 'database or disk is full', advice: 'could not grow; free space on its disk' },
  {
    code: 14,
    text: 'unable to open database file',
    advice: 'could not be opened; check that its directory exists and that its permissions allow it',
  },
  { code: 26, text: 'file is not a database', advice: 'is no database; move it away or choose another path' },
];

function failureOf(error: unknown): Failure | undefined {
  if (!(error instanceof Error)) return undefined;
  // The driver gives the code, whose low byte is the primary one, with most errors, and only the text with some.
  const code = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
  return FAILURES.find((failure) =>
    code === undefined ? failure.text === error.message : failure.code === code,
  );
}

/** True when another process has the lock: for the driver's error, and for the one that explains it. */
export function isLocked(error: unknown): boolean {
  return failureOf(error instanceof StoreUnavailableError ? error.cause : error) === BUSY;
}

/**
 * An I/O error leaves the outcome of a write unknown even where SQLite rolled it back: the commit may have reached the
 * log on disk, and opening the file after a crash would then find it there. Everything else was certainly not stored.
 */
export function explainFailure(error: unknown, path: string): unknown {
  const failure = failureOf(error);
  if (failure !== undefined) {
    const outcome = failure === IO_ERROR ? 'unknown' : 'refused';
    return new StoreUnavailableError(`${path} ${failure.advice} (${messageOf(error)})`, outcome, {
      cause: error,
    });
  }
  if (systemErrorCode(error) === 'ERR_INVALID_STATE') {
    return new StoreUnavailableError(`${path} is closed (${messageOf(error)})`, 'refused', { cause: error });
  }
  return error;
}
