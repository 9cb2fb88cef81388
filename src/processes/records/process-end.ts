/**
 * Whether and how a process has ended.
 *
 * Guarantee: what a keeper has written or told counts; only where no keeper will ever write is it told from the process, and
 * then it says that nobody saw the end, and what is known instead.
 */

import type { Clock } from '../../base/clock.js';
import { identifyProcess, isAlive } from '../../base/process-identity.js';
import { identityOf, type ProcessEnd, type ProcessFields, type ProcessRecord } from './process-record.js';
import type { ProcessRecords } from './process-records.js';

/**
 * @param isKept true while a keeper will write its end
 * @param known what its keeper has told of the end, if it was not able to write it
 * @returns null while it runs, or while its end is still to be written
 * @throws Error when an end can't be read or written
 */
export function findEnd<Key extends object, Own extends Key>(
  records: ProcessRecords<Key, Own>,
  record: ProcessRecord<Own>,
  isKept: () => boolean,
  clock: Clock,
  known?: ProcessEnd,
): ProcessEnd | null {
  const written = records.readEnd(record);
  if (written !== null || isAlive(identityOf(record)) || isKept()) return written;
  const vanished = (): ProcessEnd => ({
    exit_code: null,
    exit_signal: null,
    ended_time: clock.now() / 1000,
    reason: reasonOfVanishing(record),
  });
  records.writeEnd(record, known ?? vanished());
  // Its keeper may have written it at the last moment.
  return records.readEnd(record);
}

function reasonOfVanishing({ process: { pid, boot_id } }: ProcessFields): string {
  const now = identifyProcess(pid);
  const unknown = 'its exit code is unknown';
  if (now === undefined) return `process ${pid} vanished while no keeper watched it; ${unknown}`;
  if (now.bootId !== boot_id) return `the machine was restarted while it ran; ${unknown}`;
  return `process ${pid} ended while no keeper watched it, and another one has its pid now; ${unknown}`;
}
