/**
 * The record of a process, as its owner changes it.
 *
 * Guarantee: what can't be written at the moment, on a full disk for instance, counts all the same and is written when it
 * can be; a record that was removed does not come back.
 */

import type { Logger } from 'pino';
import type { ProcessRecord } from './process-record.js';
import type { ProcessRecords } from './process-records.js';

export class KeptRecord<Key extends object, Own extends Key> {
  private readonly records: ProcessRecords<Key, Own>;
  private readonly logger: Logger;
  private record: ProcessRecord<Own>;
  private isBehind = false;
  private isRemoved = false;

  /** @param record as it is written */
  constructor(records: ProcessRecords<Key, Own>, record: ProcessRecord<Own>, logger: Logger) {
    this.records = records;
    this.record = record;
    this.logger = logger;
  }

  get current(): ProcessRecord<Own> {
    return this.record;
  }

  change(changes: Partial<ProcessRecord<Own>>): void {
    const before = this.record;
    this.record = { ...before, ...changes };
    // What could not be written before goes with it.
    if (this.isBehind) this.write(() => this.records.write(this.record));
    else this.write(() => this.records.change(before, changes));
  }

  /** Writes what could not be written before. To be called now and then. */
  catchUp(): void {
    if (this.isBehind) this.write(() => this.records.write(this.record));
  }

  /** Throws what the file system throws. */
  remove(): void {
    this.isRemoved = true;
    this.records.remove(this.record);
  }

  private write(how: () => void): void {
    if (this.isRemoved) return;
    const { noun } = this.records.kind;
    try {
      how();
      if (this.isBehind) this.logger.info(`the record of a ${noun} is written again`);
      this.isBehind = false;
    } catch (error) {
      // Until it is, an owner after this one would not know, and nobody who reads the record does.
      if (!this.isBehind)
        this.logger.error({ err: error }, `the record of a ${noun} can not be written; trying again`);
      this.isBehind = true;
    }
  }
}
