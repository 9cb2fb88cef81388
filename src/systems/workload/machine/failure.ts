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
  | 'pilot_stopped'
  | 'end_unknown'
  | 'keeper_lost'
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

/** Why attempts are ended for what has become of their pilot: that is told, whatever else there is. */
const OF_THE_PILOT = {
  pilot_lost: 'the node had confirmed no heartbeat of the pilot for so long that it was ended',
  pilot_stopped: 'the pilot was told to end, and ended what it ran',
} as const;

export function stopForPilot(
  why: keyof typeof OF_THE_PILOT,
  { grace_seconds: seconds }: { readonly grace_seconds: number },
): PayloadStop {
  return { why, detail: OF_THE_PILOT[why], grace_ms: seconds * 1000 };
}

/** Undefined where somebody else wanted it, or nobody. */
export function failureOfPilot(stop: PayloadStop | undefined): AttemptError | undefined {
  const { why, detail = '' } = stop ?? {};
  return why === 'pilot_lost' || why === 'pilot_stopped' ? new AttemptError(why, detail) : undefined;
}

/** Why an attempt that came to nothing did. @param stop what somebody wanted of it */
export function failureOf(error: unknown, stop?: PayloadStop): AttemptError {
  const ofPilot = failureOfPilot(stop);
  if (ofPilot !== undefined) return ofPilot;
  if (error instanceof AttemptError) return error;
  return new AttemptError('start_failed', messageOf(error), undefined, error);
}
