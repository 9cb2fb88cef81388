/**
 * Removes the temp files of a plot that came to nothing.
 *
 * Guarantees: they are found by the id that this machine knows the plot by, and by no other; one that another unsettled plot of
 * this machine goes by as well, or may go by, removes nothing. Those that have the same names for all plots stay while another
 * unsettled plot that has such names works in one of its caches, and go with a finished plot, too. What stays is told, with
 * where it may lie, and so is a whole plot in a cache, which nobody removes.
 */

import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf } from '../../../../base/errors.js';
import { systemErrorCode } from '../../../../base/system-error.js';
import type { KeptRecord } from '../../../../processes/records/kept-record.js';
import { plotsInCaches } from '../../log-receiver/left-behind.js';
import type { PlotEnd, PlotFields, PlotKey, PlotRecord, PlotRecords } from '../../machine/plot-record.js';
import { hasId, isShared } from '../../machine/temp-names.js';
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

  /**
   * @param keepsWhole what is as large as a whole plot stays: its plotter has ended well, and may only not have renamed it
   * @returns a sentence for each thing that is left
   */
  remove(keepsWhole = false): Promise<string[]> {
    const { current } = this.kept;
    return removeOwnTempFiles(this.plots, current, { ...current, plot_id: this.findId() }, keepsWhole);
  }

  /**
   * Once talent knows how it has ended. Of a finished plot only those go that have no id in their names: its plotter may leave
   * them for its next plot.
   * @returns as above
   */
  clear(isFinished: boolean, end: PlotEnd | undefined): Promise<string[]> {
    const { current } = this.kept;
    if (!isFinished) return this.remove(end?.exit_code === 0 && !current.stopping);
    const owner = { ...current, temp: current.temp.filter(isShared) };
    return owner.temp.length === 0
      ? Promise.resolve([])
      : removeUnlessShared(this.plots, current, owner, false);
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

/**
 * @param owner with the plot's id from `log-evidence.ts`
 * @returns a sentence for each thing that is left: what could not be removed, and a whole plot in a cache
 */
export async function removeOwnTempFiles(
  plots: PlotRecords,
  key: PlotKey,
  owner: TempOwner,
  keepsWhole = false,
): Promise<string[]> {
  const problems = await removeUnlessShared(plots, key, owner, keepsWhole);
  return [...problems, ...(await plotsInCaches(owner))];
}

async function removeUnlessShared(
  plots: PlotRecords,
  key: PlotKey,
  owner: TempOwner,
  keepsWhole: boolean,
): Promise<string[]> {
  const { plot_id, temp } = owner;
  const other = temp.some(isShared) ? neighbourOf(plots, key, owner) : undefined;
  if (other !== undefined) {
    const rest = await removeUnlessShared(plots, key, { ...owner, temp: temp.filter(hasId) }, keepsWhole);
    return [`temp files without a plot id in their names stay: ${other}`, ...rest];
  }
  if (plot_id !== null) {
    try {
      const other = otherWith(plots, key, plot_id);
      if (other !== undefined)
        return [`its temp files stay: plot ${other} of this machine goes by its id ${plot_id} too`];
    } catch (error) {
      return [`its temp files stay: whether another plot has its id is not known (${messageOf(error)})`];
    }
  }
  const otherIds = plot_id === null ? idsOfOthers(plots, key) : new Set<string>();
  return await removeTempFiles({ ...owner, otherIds }, undefined, keepsWhole);
}

/** Why another plot may be at work on files of the same names, as a sentence; undefined when none is. */
function neighbourOf(plots: PlotRecords, key: PlotKey, owner: TempOwner): string | undefined {
  const own = plots.kind.nameOf(key);
  const caches = cachesOf(owner);
  const { processes, problems } = plots.readAll();
  const neighbour = processes
    .map(({ record }) => record)
    .filter((record) => plots.kind.nameOf(record) !== own && record.temp.some(isShared))
    .find((record) => [...cachesOf(record)].some((cache) => caches.has(cache)));
  if (neighbour !== undefined) return `plot ${plots.kind.nameOf(neighbour)} of this machine works there, too`;
  return problems[0] === undefined
    ? undefined
    : `whether another plot works there is not known (${problems[0]})`;
}

/** The same for a directory under two names. */
function cachesOf({ cache1, cache2 }: Pick<PlotRecord, 'cache1' | 'cache2'>): ReadonlySet<string> {
  return new Set(
    [cache1, cache2].map((path) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found === undefined ? path : `${found.dev}:${found.ino}`;
    }),
  );
}

function idsOfOthers(plots: PlotRecords, key: PlotKey): ReadonlySet<string> {
  const others = plots.readAll().processes.map(({ record }) => record);
  const name = plots.kind.nameOf(key);
  return new Set(others.flatMap((other) => (plots.kind.nameOf(other) === name ? [] : (other.plot_id ?? []))));
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
