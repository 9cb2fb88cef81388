/**
 * What the programs of one machine know of an owner's processes, as files: the owner and its keeper write them, whoever
 * wants to know reads them. One record for each process, and beside it, once that has ended, how it ended.
 *
 * Guarantees: a file is there as a whole or not at all, whoever dies while it is written, and after power loss too where
 * the owner has it synced; a record appears when its process runs, and how that ended is written once and never changed.
 * What can't be read is reported, and harms no other record. A file of nothing, as power loss leaves those that were not
 * synced, counts as none where the owner does not sync. There a record is changed by a line more, which is there as a whole
 * or counts as none: a file that takes the place of another has its content written to the disk, which is waited for by
 * whatever else is to be flushed.
 *
 * Who writes what: the keeper writes the record when it has started the process, and the end when that has ended; while
 * it can't write an end, it tells it to whoever asks (src/processes/keeper/keeper.ts). The owner changes fields of its own
 * later, writes the end where no keeper saw it, and removes both files when nobody needs them any more.
 */

import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { removeFile, removeTemporaries, writeFileDurably, writeFileWhole } from '../../base/durable-file.js';
import { messageOf } from '../../base/errors.js';
import { systemErrorCode } from '../../base/system-error.js';
import type { MachineDirectory } from '../machine-directory.js';
import { markOf, type ProcessKind, type ProcessMark } from './process-kind.js';
import { isProcessEnd, isProcessFields, type ProcessEnd, type ProcessRecord } from './process-record.js';

export interface RecordedProcess<Own> {
  readonly record: ProcessRecord<Own>;
  /** Null while nothing is known of an end. */
  readonly end: ProcessEnd | null;
}

export interface RecordedProcesses<Own> {
  /** In the order they were started. */
  readonly processes: readonly RecordedProcess<Own>[];
  /** A sentence for each file that can't be used. */
  readonly problems: readonly string[];
}

const RECORD_SUFFIX = '.json';
const END_SUFFIX = '.end.json';

export class ProcessRecords<Key extends object, Own extends Key> {
  readonly directory: MachineDirectory;
  readonly kind: ProcessKind<Key, Own>;

  constructor(directory: MachineDirectory, kind: ProcessKind<Key, Own>) {
    this.directory = directory;
    this.kind = kind;
  }

  /** Absolute. */
  pathOf(key: Key): string {
    return join(this.directory.records, this.kind.nameOf(key) + RECORD_SUFFIX);
  }

  endPathOf(key: Key): string {
    return join(this.directory.records, this.kind.nameOf(key) + END_SUFFIX);
  }

  /** Whether or not it is there: logs stay when records go. */
  logPathOf(key: Key): string {
    return this.directory.logOf(this.kind.nameOf(key));
  }

  /** Nothing but the key. @param own a record, for instance */
  keyOf(own: Own): Key {
    const key = this.kind.keyIn(own);
    if (key === undefined) throw new Error(`what is no ${this.kind.noun} has no key`);
    return key;
  }

  markOf(key: Key): ProcessMark {
    return markOf(this.kind, this.pathOf(key));
  }

  /** The name of the process whose record is called so; undefined of a file that is no record. */
  nameOfRecord(file: string): string | undefined {
    const isRecord = file.endsWith(RECORD_SUFFIX) && !file.endsWith(END_SUFFIX);
    return isRecord ? file.slice(0, -RECORD_SUFFIX.length) : undefined;
  }

  /** Every process that is not settled yet. None when the folder is not there. */
  readAll(): RecordedProcesses<Own> {
    const { records } = this.directory;
    const processes: RecordedProcess<Own>[] = [];
    const problems: string[] = [];
    for (const file of filesIn(records)) {
      if (this.nameOfRecord(file) === undefined) continue;
      try {
        const record = this.readRecord(join(records, file));
        // Removed since its name was read: settled.
        if (record !== undefined) processes.push({ record, end: this.readEnd(record) });
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    processes.sort((a, b) => a.record.started_time - b.record.started_time);
    return { processes, problems };
  }

  /** Undefined when there is none. @throws Error naming the file that can't be used */
  read(key: Key): ProcessRecord<Own> | undefined {
    return this.readRecord(this.pathOf(key));
  }

  /** Null when there is none. @throws Error naming the file that can't be used */
  readEnd(key: Key): ProcessEnd | null {
    return this.readJson(this.endPathOf(key), isProcessEnd) ?? null;
  }

  /** Throws what the file system throws. */
  write(record: ProcessRecord<Own>): void {
    this.writeJson(this.pathOf(record), record);
  }

  /**
   * Of a record that is there: sets fields, and takes none away.
   * @param record as it was. Throws what the file system throws: then what is there is as it was
   */
  change(record: ProcessRecord<Own>, changes: Partial<ProcessRecord<Own>>): void {
    if (this.kind.synced) this.write({ ...record, ...changes });
    // What was torn before ends with the line that it is on.
    else appendTo(this.pathOf(record), `\n${JSON.stringify(changes)}\n`);
  }

  /** Keeps the one that is there. Throws what the file system throws. */
  writeEnd(key: Key, end: ProcessEnd): void {
    const path = this.endPathOf(key);
    if (!existsSync(path) || this.isNothing(path)) this.writeJson(path, end);
  }

  /** The record goes first: an end without one means nothing. The log stays. */
  remove(key: Key): void {
    removeFile(this.pathOf(key));
    removeFile(this.endPathOf(key));
  }

  /**
   * Removes what was left in the middle of removing or writing a record. Throws what the file system throws.
   * @param isKept true while a keeper will write this process' end
   * @returns the names of the files
   */
  removeLeftovers(isKept: (key: Key) => boolean): string[] {
    const { records } = this.directory;
    const files = filesIn(records);
    const torn = files.filter(
      (file) => this.nameOfRecord(file) !== undefined && this.isNothing(join(records, file)),
    );
    for (const file of torn) rmSync(join(records, file), { force: true });
    const ends = files.filter((file) => {
      const key = file.endsWith(END_SUFFIX)
        ? this.kind.keyNamed(file.slice(0, -END_SUFFIX.length))
        : undefined;
      return key !== undefined && !isKept(key) && !existsSync(this.pathOf(key));
    });
    for (const file of ends) rmSync(join(records, file), { force: true });
    return [...torn, ...ends, ...removeTemporaries(records)];
  }

  private readRecord(path: string): ProcessRecord<Own> | undefined {
    return this.readJson(path, (value): value is ProcessRecord<Own> => this.isRecord(value));
  }

  isRecord(value: unknown): value is ProcessRecord<Own> {
    return isProcessFields(value) && this.kind.isOwn(value);
  }

  private writeJson(path: string, value: object): void {
    const write = this.kind.synced ? writeFileDurably : writeFileWhole;
    write(path, `${JSON.stringify(value)}\n`);
  }

  private readJson<T>(path: string, isValid: (value: unknown) => value is T): T | undefined {
    const text = readText(path);
    if (text === undefined || (!this.kind.synced && isNothing(text))) return undefined;
    let value: unknown;
    try {
      value = this.kind.synced ? JSON.parse(text) : inLines(text);
    } catch (error) {
      throw new Error(`${path} is no JSON: ${messageOf(error)}`, { cause: error });
    }
    if (isValid(value)) return value;
    throw new Error(
      `${path} is no record of this version of owl; move it away once its ${this.kind.noun} has ended`,
    );
  }

  /** Of one that is there. */
  private isNothing(path: string): boolean {
    return !this.kind.synced && isNothing(readText(path) ?? ' ');
  }
}

/** The first line as the others have changed it. One that was torn, or has never reached the disk, has changed nothing. */
function inLines(text: string): unknown {
  const [first = '', ...changes] = text.split('\n').filter((line) => line !== '');
  return Object.assign(JSON.parse(first), ...changes.map(changesIn));
}

function changesIn(line: string): object {
  try {
    const changes: unknown = JSON.parse(line);
    return typeof changes === 'object' && changes !== null ? changes : {};
  } catch {
    return {};
  }
}

/** Throws what the file system throws, also where it is not there. */
function appendTo(path: string, text: string): void {
  const file = openSync(path, constants.O_WRONLY | constants.O_APPEND);
  try {
    writeFileSync(file, text);
  } finally {
    closeSync(file);
  }
}

/** Empty, or zeros: its size was on the disk before its content. */
function isNothing(text: string): boolean {
  return text.replaceAll('\0', '') === '';
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw new Error(`${path} can't be read: ${messageOf(error)}`, { cause: error });
  }
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
