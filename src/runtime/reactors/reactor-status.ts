/** A reactor as its operators see it. */

import type { FollowerStatus } from '../readers/follower.js';
import type { WaitingStream } from './lanes.js';

export interface ReactorStatus extends FollowerStatus {
  readonly name: string;
  readonly parked: number;
  /** Events whose commands wait to be sent again: one of a stream at the most. */
  readonly retrying: number;
  /** Their streams, and why; the first ones. */
  readonly waiting: readonly WaitingStream[];
}

/** Why the first of those that wait does not get on. */
export function sentenceOf({ stream, revision, reason }: WaitingStream): string {
  return `revision ${revision} of ${stream} waits to be tried again: ${reason}`;
}
