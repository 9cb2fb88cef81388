/** For what rests on a count that others may change: on this node they take turns, and what another node was faster with is asked again. */

import { workload } from '../../../../../projections/workload/workload.js';
import type { WorkloadContext } from '../workload-context.js';
import { MovedError } from './dataset-commands.js';

/** How often others may be faster. */
const MOST_TRIES = 8;

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
