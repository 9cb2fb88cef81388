/**
 * What harms a run: from its seed it draws what is harmed, when and for how long. Guarantee: it goes through its whole repertoire
 * before anything comes again, and whatever it has broken is whole again once `run` has resolved.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { Dice } from './dice.js';

export interface Harm {
  readonly name: string;
  /** Does it and mends it again. @returns false when there was nothing to harm just then */
  strike(dice: Dice, pauseMs: (ms: number) => Promise<void>): Promise<boolean> | boolean;
}

const SHORTEST_REST_MS = 100;
const LONGEST_REST_MS = 700;

export class Nemesis {
  readonly counts = new Map<string, number>();
  private readonly harms: readonly Harm[];
  private readonly dice: Dice;
  private readonly note: (harm: string) => void;

  constructor(harms: readonly Harm[], dice: Dice, note: (harm: string) => void) {
    this.harms = harms;
    this.dice = dice;
    this.note = note;
  }

  get strikes(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Until the signal aborts; what it has begun by then is mended early. */
  async run(signal: AbortSignal): Promise<void> {
    const rest = (ms: number) => pause(ms, undefined, { signal }).catch(() => undefined);
    let deck: Harm[] = [];
    while (!signal.aborted) {
      if (deck.length === 0) deck = this.dice.shuffled(this.harms);
      const harm = deck.pop();
      await rest(this.dice.whole(SHORTEST_REST_MS, LONGEST_REST_MS));
      if (harm === undefined || signal.aborted) continue;
      this.note(harm.name);
      if (await harm.strike(this.dice.apart(), rest))
        this.counts.set(harm.name, (this.counts.get(harm.name) ?? 0) + 1);
    }
  }
}
