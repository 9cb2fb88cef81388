/**
 * Removes the temp files of a plot that came to nothing.
 *
 * Guarantees: they are found by the id that this machine knows the plot by, and by no other; one that another unsettled plot of
 * this machine goes by as well, or may go by, removes nothing; what stays is told, with where it may lie.
 */

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf } from '../../../../base/errors.js';
import { systemErrorCode } from '../../../../base/system-error.js';
import type { KeptRecord } from '../../../../processes/records/kept-record.js';
import {
  LOG_SUFFIX,
  logsDirectory,
  type PlotKey,
  plotRecordPath,
  plotsDirectory,
} from '../../../../processes/records/process-record.js';
import { removeTempFiles, type TempOwner } from '../plotters/temp-files.js';
import { PlotIdInLog, plotIdInCommand } from './log-evidence.js';

const RECORD_SUFFIX = '.json';
const END_SUFFIX = '.end.json';
/** A log tells the id in its first lines. */
const BEGIN_BYTES = 1024 * 1024;

/** Those of a plot that has a record. */
export class OwnTempFiles {
  private readonly data: string;
  private readonly kept: KeptRecord;
  private readonly logger: Logger;
  private readonly log: PlotIdInLog;

  constructor(data: string, kept: KeptRecord, logger: Logger) {
    this.data = data;
    this.kept = kept;
    this.logger = logger;
    this.log = new PlotIdInLog(kept.current.log_path, kept.current.format);
  }

  /** Into the record, once it is known. What stands there may be an earlier version's, which believed what was reported. */
  noteId(): void {
    const id = this.findId();
    if (id !== null && id !== this.kept.current.plot_id) this.kept.change({ plot_id: id });
  }

  /** @returns a sentence for each thing that could not be removed */
  remove(): Promise<string[]> {
    const { current } = this.kept;
    return removeOwnTempFiles(this.data, current, { ...current, plot_id: this.findId() });
  }

  private findId(): string | null {
    try {
      return plotIdInCommand(this.kept.current) ?? this.log.look();
    } catch (error) {
      this.logger.debug({ reason: messageOf(error) }, 'the log does not tell which plot it is');
      return null;
    }
  }
}

/** @param owner with the plot's id from `log-evidence.ts`; @returns a sentence for each thing that could not be removed */
export async function removeOwnTempFiles(data: string, key: PlotKey, owner: TempOwner): Promise<string[]> {
  const { plot_id } = owner;
  if (plot_id !== null) {
    try {
      const other = otherWith(data, key, plot_id);
      if (other !== undefined)
        return [`its temp files stay: plot ${other} of this machine goes by its id ${plot_id} too`];
    } catch (error) {
      return [`its temp files stay: whether another plot has its id is not known (${messageOf(error)})`];
    }
  }
  return await removeTempFiles(owner);
}

/**
 * Another plot with a record, be it readable or not, whose record or log holds that id; undefined when there is none.
 * Throws what the file system throws.
 */
function otherWith(data: string, key: PlotKey, id: string): string | undefined {
  const directory = plotsDirectory(data);
  const own = plotRecordPath(data, key);
  const buffer = Buffer.allocUnsafe(BEGIN_BYTES);
  const holds = (path: string) => beginOf(path, buffer).includes(id);
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (!name.endsWith(RECORD_SUFFIX) || name.endsWith(END_SUFFIX) || path === own) continue;
    const plot = name.slice(0, -RECORD_SUFFIX.length);
    if (holds(path) || holds(join(logsDirectory(data), plot + LOG_SUFFIX))) return plot;
  }
  return undefined;
}

/** Empty when the file is gone. */
function beginOf(path: string, buffer: Buffer): Buffer {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return buffer.subarray(0, 0);
    throw error;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
