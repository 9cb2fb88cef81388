/**
 * The id under which a report is known, whoever makes it: the same report, told again, has the same one, so that it counts once
 * however often it arrives. Reports of earlier versions have the same ids, which is why names and order stay.
 */

import { createHash } from 'node:crypto';
import type { PlotTaskStatus } from './messages.js';

/** Who reports. */
export type Reporter = 'supervisor' | 'log';

/**
 * The fields that say what a report is about and by which id it is known.
 * @param what about the attempt, in the reporter's own words; it may hold several parts
 */
export function reportHeader(
  reporter: Reporter,
  { task_id, attempt }: { readonly task_id: string; readonly attempt: number },
  what: readonly (string | number)[],
): PlotTaskStatus {
  const name = [`owl/${reporter}-report/1`, task_id, attempt, ...what].join('/');
  return { task_id, for_attempt: attempt, command_id: createHash('sha256').update(name).digest('hex') };
}
