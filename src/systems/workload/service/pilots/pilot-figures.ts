/** What is counted of pilots and their reports since this node began. */

import { Tally } from '../../../../node/metrics/tally.js';

export class PilotFigures {
  /** Reports under a claim that counts no more. */
  staleClaims = 0;
  /** Claims that were refused, by reason. */
  readonly refusedClaims = new Tally(
    ['claimed', 'done', 'cancelled', 'stale', 'held', 'disabled', 'unknown'].map((reason): [string] => [
      reason,
    ]),
  );
}
