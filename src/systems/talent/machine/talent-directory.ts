/**
 * A machine's data directory as talent's programs use it: supervisor, keeper, log receiver and commands. Every name in it
 * that is talent's is said here. A node may have the same directory; its names are in src/node/data-directory.ts.
 *
 * Names and forms stay over versions, for programs of neighbouring versions share a directory.
 */

import { MachineDirectory } from '../../../processes/machine-directory.js';
import { ProcessRecords } from '../../../processes/records/process-records.js';
import { PLOTS, type PlotRecords } from './plot-record.js';

export class TalentDirectory extends MachineDirectory {
  /** Each attempt that is not settled. */
  readonly plots: PlotRecords;
  /** On which the supervisor answers its operator. */
  readonly controlSocket: string;
  readonly supervisorLock: string;
  readonly logReceiverLock: string;
  /** Who the log receiver is. */
  readonly logReceiverIdentity: string;
  /** There while an operator wants nothing more to be started. */
  readonly drainMark: string;
  /** What supervisor and log receiver report with. */
  readonly reportKey: string;
  /** Which disks the directories of tasks were on. */
  readonly places: string;

  /** @param data absolute */
  constructor(data: string) {
    super(data, { records: 'plots', logs: 'logs' });
    this.plots = new ProcessRecords(this, PLOTS);
    this.controlSocket = this.at('supervisor.sock');
    this.supervisorLock = this.at('supervisor.lock');
    this.logReceiverLock = this.at('log-receiver.lock');
    this.logReceiverIdentity = this.at('log-receiver.json');
    this.drainMark = this.at('drain');
    this.reportKey = this.at('report.key');
    this.places = this.at('places.json');
  }
}
