/** Why an attempt at a job came to nothing, as its pilot tells it. Whose fault a class is, the node knows. */

import { messageOf, OwlError } from '../../../base/errors.js';
import { systemErrorCode } from '../../../base/system-error.js';
import type { PayloadStop } from './payload-record.js';

/** Those that a pilot can tell. */
export type FailureClass =
  | 'payload_exit'
  | 'payload_signal'
  | 'time_limit'
  | 'looping'
  | 'log_limit'
  | 'out_of_memory'
  | 'output_missing'
  | 'output_too_large'
  | 'input_missing'
  | 'input_checksum'
  | 'executable_unknown'
  | 'args_invalid'
  | 'pilot_lost'
  | 'end_unknown'
  | 'start_failed'
  | 'storage_unavailable';

/** The file that is not what it was, with what was found. */
export interface FoundFile {
  /** Its uid. */
  readonly file: string;
  readonly found_size?: number;
  readonly found_check_sum?: string;
}

export class AttemptError extends OwlError {
  override readonly name = 'AttemptError';
  readonly failureClass: FailureClass;
  readonly found: FoundFile | undefined;

  constructor(failureClass: FailureClass, message: string, found?: FoundFile, cause?: unknown) {
    super('refused', message, { cause });
    this.failureClass = failureClass;
    this.found = found;
  }
}

/** What a path itself is to blame for. Everything else is the trouble of the disk or the machine, and may pass. */
const OF_THE_PATH: ReadonlySet<string | undefined> = new Set([
  ...['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG'],
]);

export function isOfPath(error: unknown): boolean {
  return OF_THE_PATH.has(systemErrorCode(error));
}

/** The node has declined it, so that asking again changes nothing. */
export function isRefusal(error: unknown): boolean {
  return error instanceof OwlError && !(error instanceof AttemptError) && error.kind === 'refused';
}

/** Why an attempt that came to nothing did. @param stop what somebody wanted of it */
export function failureOf(error: unknown, stop?: PayloadStop): AttemptError {
  if (stop?.why === 'pilot_lost') return new AttemptError('pilot_lost', stop.detail);
  if (error instanceof AttemptError) return error;
  return new AttemptError('start_failed', messageOf(error), undefined, error);
}
