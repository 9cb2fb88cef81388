/**
 * The record of a plot, as its supervisor changes it.
 *
 * Guarantee: what can't be written at the moment, on a full disk for instance, counts all the same and is written when it
 * can be; a record that was removed does not come back.
 */

import type { Logger } from 'pino';
import { type PlotRecord, removePlotRecord, writePlotRecord } from './process-record.js';

export class KeptRecord {
  private readonly data: string;
  private readonly logger: Logger;
  private record: PlotRecord;
  private isBehind = false;
  private isRemoved = false;

  /** @param data the supervisor's data directory; @param record as it is written there */
  constructor(data: string, record: PlotRecord, logger: Logger) {
    this.data = data;
    this.record = record;
    this.logger = logger;
  }

  get current(): PlotRecord {
    return this.record;
  }

  change(changes: Partial<PlotRecord>): void {
    this.record = { ...this.record, ...changes };
    this.write();
  }

  /** Writes what could not be written before. To be called now and then. */
  catchUp(): void {
    if (this.isBehind) this.write();
  }

  /** Throws what the file system throws. */
  remove(): void {
    this.isRemoved = true;
    removePlotRecord(this.data, this.record);
  }

  private write(): void {
    if (this.isRemoved) return;
    try {
      writePlotRecord(this.data, this.record);
      if (this.isBehind) this.logger.info('the record of a plot is written again');
      this.isBehind = false;
    } catch (error) {
      // Until it is, a supervisor after this one would not know, and the log receiver does not.
      if (!this.isBehind)
        this.logger.error({ err: error }, 'the record of a plot can not be written; trying again');
      this.isBehind = true;
    }
  }
}
