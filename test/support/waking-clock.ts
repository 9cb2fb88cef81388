/** The system's clock, except that its timers keep the process alive while nothing else does. */

import { type Clock, systemClock } from '../../src/base/clock.js';

export const wakingClock: Clock = {
  ...systemClock,
  after: (delayMs, run) => {
    const timeout = setTimeout(run, delayMs);
    return () => clearTimeout(timeout);
  },
};
