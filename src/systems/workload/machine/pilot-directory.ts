/**
 * The directory of one pilot, below a data directory that it may share with others and with a node: every name in it is said here.
 * Names and forms stay over versions, for pilot and keeper may be of neighbouring ones.
 */

import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurably } from '../../../base/durable-file.js';
import { FileLock, inUse, unusable } from '../../../base/lock.js';
import { makeDirectoriesNow } from '../../../base/make-directories.js';
import { MachineDirectory } from '../../../processes/machine-directory.js';
import { ProcessRecords } from '../../../processes/records/process-records.js';
import { PAYLOADS, type PayloadKey, type PayloadRecords } from './payload-record.js';

/** The folder of the system in a data directory. */
const OWN_FOLDER = 'workload';

export class PilotDirectory extends MachineDirectory {
  /** Each attempt whose payload was started and that is not settled. */
  readonly payloads: PayloadRecords;
  /** Folder of what was asked for, granted or not, and is not settled. */
  readonly claims: string;
  /** Folder of the working directories. */
  readonly work: string;
  /** The disks that outputs went to. */
  readonly places: string;
  readonly lock: string;
  private readonly instance: string;

  /** @param path absolute; its own */
  constructor(path: string) {
    super(path);
    this.payloads = new ProcessRecords(this, PAYLOADS);
    this.claims = this.at('claims');
    this.work = this.at('work');
    this.places = this.at('places.json');
    this.lock = this.at('pilot.lock');
    this.instance = this.at('instance');
  }

  /** @param data absolute @param name of the pilot */
  static of(data: string, name: string): PilotDirectory {
    return new PilotDirectory(join(data, OWN_FOLDER, name));
  }

  workOf(key: PayloadKey): string {
    return join(this.work, PAYLOADS.nameOf(key));
  }

  /**
   * By what this directory is told from another one of the same pilot: an id that is made once, for who has the lock.
   * @throws OwlError kind `invalid` when it can't be read or written
   */
  instanceId(): string {
    try {
      const known = existsSync(this.instance) ? readFileSync(this.instance, 'utf8').trim() : '';
      if (known !== '') return known;
      const made = randomUUID();
      writeFileDurably(this.instance, `${made}\n`);
      return made;
    } catch (error) {
      throw unusable(this.path, error);
    }
  }

  /**
   * Makes the directory where it is missing.
   * @throws OwlError kind `refused` when it has a pilot already, `invalid` when it can't be used
   */
  takeLock(): FileLock {
    let lock: FileLock | undefined;
    try {
      for (const folder of [this.records, this.logs, this.claims, this.work])
        makeDirectoriesNow(folder, 0o700);
      lock = FileLock.take(this.lock);
    } catch (error) {
      throw unusable(this.path, error);
    }
    if (lock !== undefined) return lock;
    throw inUse(
      this.path,
      'has a pilot already',
      'stop that one, or give this one another name or another data directory',
    );
  }
}
