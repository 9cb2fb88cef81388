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
import type { PlotFields, PlotKey, PlotRecords } from '../../machine/plot-record.js';
import { removeTempFiles, type TempOwner } from '../plotters/temp-files.js';
import { PlotIdInLog, plotIdInCommand } from './log-evidence.js';

/** A log tells the id in its first lines. */
const BEGIN_BYTES = 1024 * 1024;

/** Those of a plot that has a record. */
export class OwnTempFiles {
  private readonly plots: PlotRecords;
  private readonly kept: KeptRecord<PlotKey, PlotFields>;
  private readonly logger: Logger;
  private readonly log: PlotIdInLog;

  constructor(plots: PlotRecords, kept: KeptRecord<PlotKey, PlotFields>, logger: Logger) {
    this.plots = plots;
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
    return removeOwnTempFiles(this.plots, current, { ...current, plot_id: this.findId() });
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
export async function removeOwnTempFiles(
  plots: PlotRecords,
  key: PlotKey,
  owner: TempOwner,
): Promise<string[]> {
  const { plot_id } = owner;
  if (plot_id !== null) {
    try {
      const other = otherWith(plots, key, plot_id);
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
function otherWith(plots: PlotRecords, key: PlotKey, id: string): string | undefined {
  const { directory, kind } = plots;
  const own = kind.nameOf(key);
  const buffer = Buffer.allocUnsafe(BEGIN_BYTES);
  const holds = (path: string) => beginOf(path, buffer).includes(id);
  for (const file of readdirSync(directory.records)) {
    const plot = plots.nameOfRecord(file);
    if (plot === undefined || plot === own) continue;
    if (holds(join(directory.records, file)) || holds(directory.logOf(plot))) return plot;
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
