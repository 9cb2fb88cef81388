/**
 * Why an attempt at a job fails, whose fault that is, and what becomes of the job. Its own failures use up its retries; losses of
 * machines are counted apart, and what takes machines with it again and again is given up: only what has begun can do that.
 */

/**
 * - `job`: the payload's own, tried again as often as the order says;
 * - `data`: an input is not what it was, and stays so until somebody restores it;
 * - `order`: nobody could carry it out;
 * - `machine`: whoever ran it was lost, or could not begin; tried again, elsewhere first.
 */
export type Fault = 'job' | 'data' | 'order' | 'machine';

export const FAULT_OF = {
  payload_exit: 'job',
  payload_signal: 'job',
  time_limit: 'job',
  looping: 'job',
  log_limit: 'job',
  out_of_memory: 'job',
  output_missing: 'job',
  output_too_large: 'job',
  input_missing: 'data',
  input_checksum: 'data',
  executable_unknown: 'order',
  args_invalid: 'order',
  pilot_lost: 'machine',
  pilot_stopped: 'machine',
  end_unknown: 'machine',
  /** Its end is unknown, and another has taken the keeper along, presumably. */
  keeper_lost: 'machine',
  start_failed: 'machine',
  storage_unavailable: 'machine',
  /** It was lost so often in a row, or its hints have died so often, that it is the reason, presumably. */
  poison: 'order',
} as const satisfies Readonly<Record<string, Fault>>;

export type FailureClass = keyof typeof FAULT_OF;

export function isFailureClass(text: string): text is FailureClass {
  return Object.hasOwn(FAULT_OF, text);
}

/** Losses in a row after which a job is taken for their reason. */
export const LOSSES_OF_POISON = 3;
/** Hints of a job that the broker has laid with the dead, after which it is taken for their reason. */
export const DEATHS_OF_POISON = 3;

/** A machine that may have gone down with what it ran; of the others the machine tells itself, in good health. */
export const MAY_BE_POISON: ReadonlySet<FailureClass> = new Set(['pilot_lost', 'end_unknown']);

const FIRST_DELAY_SECONDS = 5;
const LONGEST_DELAY_SECONDS = 300;

/** Before the next attempt. @param before how many failures of the kind came before */
export function delaySeconds(before: number): number {
  return Math.min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** before);
}

/** What is away or full for all machines may be so for minutes: five of these outlast a quarter of an hour. */
const LOSS_DELAYS_SECONDS = [5, 60, 180, 300];

/** The same after a loss. @param before how many losses came before */
export function delayOfLossSeconds(why: FailureClass, before: number): number {
  if (why !== 'storage_unavailable' && why !== 'start_failed') return delaySeconds(before);
  return LOSS_DELAYS_SECONDS[before] ?? LONGEST_DELAY_SECONDS;
}
