/**
 * Which plot a plotter of this machine makes, as the machine itself knows: its command line has set the id, or its log says
 * it. What anybody has reported of it does not count, because temp files are removed by it.
 *
 * Guarantee: each byte of a log is read once, and no further than to the id.
 */

import { closeSync, openSync, readSync } from 'node:fs';
import { LineReader } from '../log-receiver/line-reader.js';
import { createParser, isLogFormat, type PlotLogParser } from '../log-receiver/parsers/index.js';
import type { PlotRecord } from '../wire/plot-record.js';

const CHUNK_BYTES = 65_536;

/** Null when the command line does not hold the id that is recorded. */
export function plotIdInCommand({ argv, plot_id }: Pick<PlotRecord, 'argv' | 'plot_id'>): string | null {
  return plot_id !== null && argv.some((element) => element.includes(plot_id)) ? plot_id : null;
}

/** The id in a log that may still grow. */
export class PlotIdInLog {
  private readonly path: string;
  private readonly parser: PlotLogParser | undefined;
  private readonly lines = new LineReader();
  private offset = 0;
  private found: string | null = null;

  /** @param path absolute; @param format one that is not known tells nothing */
  constructor(path: string, format: string) {
    this.path = path;
    this.parser = isLogFormat(format) ? createParser(format) : undefined;
  }

  /** Null while the log does not say it. Throws what the file system throws, ENOENT for instance. */
  look(): string | null {
    const { parser } = this;
    if (this.found !== null || parser === undefined) return this.found;
    const log = openSync(this.path, 'r');
    try {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      for (;;) {
        const length = readSync(log, chunk, 0, CHUNK_BYTES, this.offset);
        if (length === 0) return null;
        this.offset += length;
        for (const { text } of this.lines.push(chunk.subarray(0, length))) {
          const { plot_id } = parser.feed(text);
          if (plot_id !== undefined) return this.note(plot_id);
        }
      }
    } finally {
      closeSync(log);
    }
  }

  private note(id: string): string {
    this.found = id;
    return id;
  }
}
