/**
 * Long work in slices. Guarantee: after so many milliseconds of work everything else that waits has its turn first, calls that
 * have come in the meantime included.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';

/** So that with a few who do so at once nobody waits noticeably. */
const SLICE_MS = 8;

export class Slices {
  private began = performance.now();

  /** To be asked between two small pieces of work. */
  isOver(): boolean {
    return performance.now() - this.began >= SLICE_MS;
  }

  /** Lets the others have their turn. @throws the signal's reason once it has aborted */
  async next(signal?: AbortSignal): Promise<void> {
    await nextTurn();
    signal?.throwIfAborted();
    this.began = performance.now();
  }
}
