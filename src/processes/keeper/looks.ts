/**
 * What a keeper looks at now and then, as long as there is something to look at.
 *
 * Guarantee: what goes wrong with one look keeps no other from being taken.
 */

import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { complain } from './complain.js';
import { LOOK_EVERY_MS } from './limits.js';
import { SAMPLE_EVERY_MS } from './usage-samples.js';

type Look = () => void | Promise<void>;

export interface LooksOptions {
  readonly clock: Clock;
  /** Whether there is anything to look at. */
  readonly isWanted: () => boolean;
  readonly often: readonly Look[];
  /** Once a second. */
  readonly seldom: readonly Look[];
}

export class Looks {
  private readonly options: LooksOptions;
  private isWatching = false;

  constructor(options: LooksOptions) {
    this.options = options;
  }

  /** There may be something. */
  begin(): void {
    const { clock, isWanted, often, seldom } = this.options;
    if (this.isWatching || !isWanted()) return;
    this.isWatching = true;
    let looks = 0;
    const look = (): void => {
      for (const one of often) apart(one);
      looks += 1;
      if ((looks * LOOK_EVERY_MS) % SAMPLE_EVERY_MS === 0) for (const one of seldom) apart(one);
      this.isWatching = isWanted();
      if (this.isWatching) clock.after(LOOK_EVERY_MS, look);
    };
    clock.after(LOOK_EVERY_MS, look);
  }
}

function apart(look: Look): void {
  const failed = (error: unknown): void => complain(`processes can't be looked at: ${messageOf(error)}`);
  try {
    look()?.catch(failed);
  } catch (error) {
    failed(error);
  }
}
