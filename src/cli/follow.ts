/**
 * Following what a node streams, through its restarts: what commands that go on until they are interrupted have in common.
 *
 * Guarantees: who could not be reached at first is told of as by every other command; once something was heard, an outage is
 * waited out, told once when it begins and once when it is over; a refusal ends it; it ends at once when the user does.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { Backoff } from '../base/backoff.js';
import { isTransient } from '../base/failure-kinds.js';
import type { Called } from '../wire/call-error.js';
import type { Terminal } from './terminal.js';

export interface Followed<Message> {
  /** How messages call who streams. */
  readonly called: Called;
  /** Begins, each time: what is there comes first, then each change. */
  open(): AsyncIterable<Message>;
  /** Each message; `isAgain` after an outage. */
  take(message: Message): Promise<void>;
  /** It broke off: what comes next begins with what is there, as far as that was known already. */
  brokenOff(): void;
}

/** A node that starts takes a moment; nobody waits for much longer than that. */
const LONGEST_PAUSE_MS = 2_000;

/** Ends only with an error, or when the command is interrupted. */
export async function followThroughOutages<Message>(
  { interrupted, out, err }: Terminal,
  followed: Followed<Message>,
): Promise<void> {
  const ended = AbortSignal.any([interrupted, out.closed]);
  const backoff = new Backoff({ firstMs: 200, longestMs: LONGEST_PAUSE_MS });
  const { noun } = followed.called;
  let isKnown = false;
  let isAway = false;
  while (!ended.aborted) {
    let reason = `the ${noun} has ended it`;
    try {
      for await (const message of followed.open()) {
        if (isAway) await err.line(`the ${noun} is back`);
        [isKnown, isAway] = [true, false];
        backoff.reset();
        await followed.take(message);
      }
    } catch (error) {
      if (!isKnown || ended.aborted || !isTransient(error)) throw error;
      reason = error instanceof Error ? error.message : reason;
    }
    if (ended.aborted) return;
    if (!isAway) {
      await err.line(`the ${noun} is away, waiting for it (${reason})`);
      followed.brokenOff();
    }
    isAway = true;
    await pause(backoff.next(), undefined, { signal: ended }).catch(() => undefined);
  }
}
