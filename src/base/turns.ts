/** One after another, of what has the same name. */

import { limitConcurrency } from './limit-concurrency.js';

type Turn = <T>(work: () => Promise<T>) => Promise<T>;

export class Turns {
  private readonly turns = new Map<string, { readonly take: Turn; users: number }>();

  /** Behind what was begun before of the same name. */
  async in<T>(name: string, work: () => Promise<T>): Promise<T> {
    const turn = this.turns.get(name) ?? { take: limitConcurrency(1), users: 0 };
    this.turns.set(name, turn);
    turn.users += 1;
    try {
      return await turn.take(work);
    } finally {
      turn.users -= 1;
      if (turn.users === 0) this.turns.delete(name);
    }
  }
}
