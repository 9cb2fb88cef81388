/**
 * Writes how processes have ended, now or later.
 *
 * Guarantees: nothing that is wrong with the disk costs an exit code: an end that can't be written is told at once and tried
 * again every second, until it is written, or its owner has settled the process, or the directory is gone for good; none is
 * written twice, and none comes back that was settled.
 */

import { existsSync, statSync } from 'node:fs';
import type { Clock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import type { ProcessEnd } from '../records/process-record.js';
import type { ProcessRecords } from '../records/process-records.js';
import type { Child } from './child.js';
import { complain } from './complain.js';

const WRITE_AGAIN_MS = 1_000;
/** A directory that is gone may be put back: so often an end is tried again when nobody is there to be told of it. */
const TRIES_WITHOUT_DIRECTORY = 60;

export interface EndWriterOptions<Key extends object, Own extends Key> {
  readonly records: ProcessRecords<Key, Own>;
  readonly clock: Clock;
  /** Whether somebody is connected who can be told. */
  readonly hasListeners: () => boolean;
  /** It is known how this one ended, but not written. */
  readonly onUnwritten: (key: Key, end: ProcessEnd) => void;
  /** There is nothing to write of this one any more. */
  readonly onDone: (child: Child<Key>) => void;
}

export class EndWriter<Key extends object, Own extends Key> {
  private readonly options: EndWriterOptions<Key, Own>;

  constructor(options: EndWriterOptions<Key, Own>) {
    this.options = options;
  }

  write(child: Child<Key>, end: ProcessEnd, tries = 1): void {
    const { records, clock, hasListeners, onDone } = this.options;
    const { key } = child.options;
    try {
      if (tries === 1 || !this.isSettled(key)) records.writeEnd(key, end);
    } catch (error) {
      const kept = { ...end, unwritten: end.unwritten ?? messageOf(error) };
      if (tries === 1) this.keep(child, kept);
      const isReachable = existsSync(records.directory.path) || hasListeners();
      if (isReachable || tries < TRIES_WITHOUT_DIRECTORY) {
        clock.after(WRITE_AGAIN_MS, () => this.write(child, kept, tries + 1));
        return;
      }
    }
    onDone(child);
  }

  private keep(child: Child<Key>, end: ProcessEnd): void {
    const { key, name } = child.options;
    complain(`the end of ${name} can't be written: ${end.unwritten}`);
    child.end = end;
    this.options.onUnwritten(key, end);
  }

  /** Its end was told without being written, and its owner has removed the record. */
  private isSettled(key: Key): boolean {
    const { records } = this.options;
    const folder = records.directory.records;
    return existsSync(folder) && statSync(folder).isDirectory() && !existsSync(records.pathOf(key));
  }
}
