/**
 * A task is cancelled, whoever wants it: people, a dataset that it reads, a series that it is of.
 *
 * Guarantee: it is asked for behind the gate of the task, so that nothing of it is granted any more once that is stored. What follows
 * is the closer's (closer.ts): its jobs end, and only then it counts as cancelled.
 */

import type { WorkloadContext } from '../workload-context.js';
import { cancel } from './task-commands.js';
import { task } from './task-type.js';

export interface Cancellation {
  readonly reason: string | undefined;
  readonly by: string;
  /** Of the command. */
  readonly id?: string;
}

/**
 * Resolves once it is stored that it is to be cancelled; asked for again it changes nothing.
 * @throws OwlError kind `not_found`, or `refused` where it has finished
 */
export function cancelTask(
  { system, gates }: Pick<WorkloadContext, 'system' | 'gates'>,
  uid: string,
  { reason, by, id }: Cancellation,
) {
  const command = { ...(id === undefined ? {} : { id }), by, decide: cancel(uid, reason) };
  return gates.shut(uid, () => system.execute(task, uid, command));
}
