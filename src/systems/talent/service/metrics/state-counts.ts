/**
 * How many tasks are in each state, counted in the index of the table.
 *
 * Guarantees: no turn of the event loop counts more than so many entries; states that tasks stay in for ever are counted again only
 * when one has come or gone, and so seldom that it takes a hundredth of the time at the most, however many there are.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { FINAL_STATES } from '../../../../../machines/talent/final-states.js';
import type { PlotTaskFigures } from '../../../../../projections/talent/plot-task-figures.js';
import type { Clock } from '../../../../base/clock.js';

export const UNDER_WAY = ['received', 'pending', 'started', 'running', 'stopping'] as const;
const ENTRIES_A_TURN = 10_000;
const SHARE_OF_TIME = 0.01;

export class StateCounts {
  private readonly figures: PlotTaskFigures;
  private readonly clock: Pick<Clock, 'monotonic'>;
  private final: ReadonlyMap<string, number> = new Map();
  private hasChanged = true;
  /** Monotonic milliseconds. */
  private nextAt = Number.NEGATIVE_INFINITY;

  constructor(figures: PlotTaskFigures, clock: Pick<Clock, 'monotonic'>) {
    this.figures = figures;
    this.clock = clock;
  }

  /** A task has ended, or begins again. */
  changed(): void {
    this.hasChanged = true;
  }

  /** By state, each of them. */
  async count(): Promise<ReadonlyMap<string, number>> {
    if (this.hasChanged && this.clock.monotonic() >= this.nextAt) await this.countFinal();
    return new Map([...(await this.countEach(UNDER_WAY)), ...this.final]);
  }

  private async countFinal(): Promise<void> {
    const began = this.clock.monotonic();
    this.hasChanged = false;
    try {
      this.final = await this.countEach(FINAL_STATES);
    } catch (error) {
      this.hasChanged = true;
      throw error;
    }
    const now = this.clock.monotonic();
    this.nextAt = now + (now - began) / SHARE_OF_TIME;
  }

  private async countEach(states: readonly string[]): Promise<Map<string, number>> {
    const counts = new Map<string, number>(states.map((state) => [state, 0]));
    const last = this.figures.lastId();
    for (let after = 0; after < last; after += ENTRIES_A_TURN) {
      if (after > 0) await nextTurn();
      for (const state of states) {
        const counted = this.figures.countIn(state, after, after + ENTRIES_A_TURN);
        counts.set(state, (counts.get(state) ?? 0) + counted);
      }
    }
    return counts;
  }
}
