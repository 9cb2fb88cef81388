/**
 * The directory in which an owner of processes keeps what its programs on one machine share: records and logs, and what
 * belongs to its keeper. Every name in it is said once, here or by the owner that extends this.
 *
 * Several owners on one machine have a directory each. The first owner has the data directory itself, and its names stay
 * as they are; every other takes a folder of its own name below that.
 */

import { join } from 'node:path';

export interface MachineNames {
  /** Folder of the records. */
  readonly records: string;
  /** Folder of the logs. */
  readonly logs: string;
}

const NAMES: MachineNames = { records: 'records', logs: 'logs' };
const LOG_SUFFIX = '.log';

export class MachineDirectory {
  /** Absolute, like every path here. */
  readonly path: string;
  /** Folder of the records, one for each process that is not settled. */
  readonly records: string;
  /** Folder of the logs, which stay when records go. */
  readonly logs: string;
  readonly keeperSocket: string;
  readonly keeperLock: string;
  readonly keeperLog: string;
  /** Deadlines of processes that were moved. */
  readonly keeperDeadlines: string;

  /** @param path absolute */
  constructor(path: string, { records, logs }: MachineNames = NAMES) {
    this.path = path;
    this.records = this.at(records);
    this.logs = this.at(logs);
    this.keeperSocket = this.at('keeper.sock');
    this.keeperLock = this.at('keeper.lock');
    this.keeperLog = this.at('keeper.log');
    this.keeperDeadlines = this.at('keeper.deadlines.json');
  }

  /** Where the log of a process is, whether or not it is there. @param name of the process, see `ProcessKind` */
  logOf(name: string): string {
    return join(this.logs, name + LOG_SUFFIX);
  }

  /** The name of the process whose log is called so; undefined of a file that is no log. */
  nameOfLog(file: string): string | undefined {
    return file.endsWith(LOG_SUFFIX) ? file.slice(0, -LOG_SUFFIX.length) : undefined;
  }

  /** For those who extend it. */
  protected at(name: string): string {
    return join(this.path, name);
  }
}
