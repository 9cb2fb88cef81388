/** One after another for what rests on a count that others may change: on this node by turns, on others by asking again. */

import { workload } from '../../../../../projections/workload/workload.js';
import { limitConcurrency } from '../../../../base/limit-concurrency.js';
import type { WorkloadContext } from '../workload-context.js';
import { MovedError } from './dataset-commands.js';

/** How often others may be faster. */
const MOST_TRIES = 8;

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

type Turn = <T>(work: () => Promise<T>) => Promise<T>;

/** Tries again with all that others have stored in the read models. @throws MovedError when others were faster each time */
export async function whileOthersAdd<T>(
  { runtime, readYourWrites }: Pick<WorkloadContext, 'runtime' | 'readYourWrites'>,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    await readYourWrites();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof MovedError) || tries >= MOST_TRIES) throw error;
      await runtime.readYourWrites([workload.name], await runtime.store.head());
    }
  }
}
