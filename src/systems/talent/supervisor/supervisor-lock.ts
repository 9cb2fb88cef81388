/** The lock that makes a process the supervisor of a data directory; whoever comes second is told the first one's pid. */

import { FileLock, inUse, unusable } from '../../../base/lock.js';
import { makeDirectoriesNow } from '../../../base/make-directories.js';
import type { TalentDirectory } from '../machine/talent-directory.js';
import { askSupervisor } from './control.js';

/**
 * Makes the directory where it is missing.
 * @throws OwlError kind `refused` when it has a supervisor already, `invalid` when it can't be used
 */
export async function takeSupervisorLock(machine: TalentDirectory): Promise<FileLock> {
  let lock: FileLock | undefined;
  try {
    for (const folder of [machine.records, machine.logs]) makeDirectoriesNow(folder, 0o700);
    lock = FileLock.take(machine.supervisorLock);
  } catch (error) {
    throw unusable(machine.path, error);
  }
  if (lock !== undefined) return lock;
  const who = await askSupervisor(machine, { method: 'status' }).then(
    ({ pid }) => `, process ${pid}`,
    () => '',
  );
  throw inUse(machine.path, `has a supervisor already${who}`, 'stop that one or choose another directory');
}
