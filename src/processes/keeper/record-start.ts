/** Writes down a process that was just started, and gives it a cgroup of its own where there can be one. */

import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import { limitMemory, OwnCgroup } from '../cgroup.js';
import { recordedIdentityOf } from '../records/process-record.js';
import type { ProcessRecords } from '../records/process-records.js';
import { type Launched, undoLaunch } from './launch.js';
import type { ProcessStart } from './process-start.js';

/** @throws what the file system throws, or OwlError: then it does not run, for nobody would ever know of it */
export function recordStart<Key extends object, Own extends Key>(
  records: ProcessRecords<Key, Own>,
  clock: Clock,
  start: ProcessStart<Own>,
  launched: Launched,
): OwnCgroup | undefined {
  const { identity } = launched;
  const cgroup = OwnCgroup.make(records.markOf(start));
  const { memory_limit_bytes: limit } = start;
  if (cgroup !== undefined && limit !== undefined) limitMemory(cgroup.directory, limit);
  cgroup?.enter(identity.pid);
  try {
    // The values of an environment are nobody else's.
    const { environment, ...told } = start;
    const record: object = {
      ...told,
      ...(environment === undefined ? {} : { variables: Object.keys(environment) }),
      ...(cgroup === undefined ? {} : { cgroup: cgroup.directory }),
      started_time: clock.now() / 1000,
      process: recordedIdentityOf(identity),
    };
    if (!records.isRecord(record)) throw new OwlError('invalid', 'what was asked for makes no record');
    records.write(record);
    return cgroup;
  } catch (error) {
    launched.process.once('exit', () => cgroup?.remove());
    undoLaunch(start, identity);
    throw error;
  }
}
