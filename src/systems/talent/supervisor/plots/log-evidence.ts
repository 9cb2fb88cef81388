/**
 * What the machine itself knows of its plots, from command lines and logs: which plot a plotter makes, and whether it has made it.
 * What anybody has reported does not count here, because temp files are removed by the id, and plots are made again.
 *
 * Guarantee: each byte of a log is read once, and no further than to what is asked for.
 */

import { closeSync, openSync, readSync } from 'node:fs';
import { systemErrorCode } from '../../../../base/system-error.js';
import { LineReader } from '../../../../processes/logs/line-reader.js';
import type { Facts } from '../../log-receiver/facts.js';
import { createParser, isLogFormat, type PlotLogParser } from '../../log-receiver/parsers/index.js';
import type { PlotRecord } from '../../machine/plot-record.js';

const CHUNK_BYTES = 65_536;

/** Null when the command line does not hold the id that is recorded. */
export function plotIdInCommand({ argv, plot_id }: Pick<PlotRecord, 'argv' | 'plot_id'>): string | null {
  return plot_id !== null && argv.some((element) => element.includes(plot_id)) ? plot_id : null;
}

/** True when the log says that the plot is complete and in its place. False also when there is none. */
export function isFinishedIn(path: string, format: string): boolean {
  let isFinished = false;
  try {
    // To its end: the last word counts.
    new LogEvidence(path, format).look<never>(({ finished = isFinished }) => {
      isFinished = finished;
      return undefined;
    });
    return isFinished;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** The id in a log that may still grow. */
export class PlotIdInLog {
  private readonly log: LogEvidence;
  private found: string | null = null;

  /** @param path absolute; @param format one that is not known tells nothing */
  constructor(path: string, format: string) {
    this.log = new LogEvidence(path, format);
  }

  /** Null while the log does not say it. Throws what the file system throws, ENOENT for instance. */
  look(): string | null {
    this.found ??= this.log.look(({ plot_id }) => plot_id) ?? null;
    return this.found;
  }
}

class LogEvidence {
  private readonly path: string;
  private readonly parser: PlotLogParser | undefined;
  private readonly lines = new LineReader();
  private offset = 0;

  constructor(path: string, format: string) {
    this.path = path;
    this.parser = isLogFormat(format) ? createParser(format) : undefined;
  }

  /** The first answer from where it has looked before; undefined when there is none up to the log's present end. */
  look<T>(answer: (facts: Facts) => T | undefined): T | undefined {
    const { parser } = this;
    if (parser === undefined) return undefined;
    const log = openSync(this.path, 'r');
    try {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      for (;;) {
        const length = readSync(log, chunk, 0, CHUNK_BYTES, this.offset);
        if (length === 0) return undefined;
        this.offset += length;
        for (const { text } of this.lines.push(chunk.subarray(0, length))) {
          const found = answer(parser.feed(text));
          if (found !== undefined) return found;
        }
      }
    } finally {
      closeSync(log);
    }
  }
}
