/** The system's clock, whose wall time a test sets. What measures durations goes on undisturbed. */

import type { Clock } from '../../../../src/base/clock.js';
import { wakingClock } from '../../../support/waking-clock.js';

export interface SteppedClock extends Clock {
  /** Somebody sets the wall clock, forward or back. */
  step(ms: number): void;
}

export function steppedClock(): SteppedClock {
  let offset = 0;
  return {
    ...wakingClock,
    now: () => wakingClock.now() + offset,
    step(ms) {
      offset += ms;
    },
  };
}
