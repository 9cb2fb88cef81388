/**
 * Things that are watched: on a terminal a table that is drawn anew, at most ten times a second however fast they change; elsewhere
 * a line for each change.
 *
 * Guarantee: what is printed to a pipe has changed: a line says something that the one before of the same thing did not, and what
 * is known already is not told again after an outage.
 */

import { LiveArea } from './live-area.js';
import { type Column, renderTable } from './table.js';
import type { Output } from './terminal.js';

/** How changes of one kind of thing are told. A row is the thing as it is then. */
export interface WatchWords<Change, Row> {
  /** Undefined where a change only says that all that was there has come. */
  rowOf(change: Change): Row | undefined;
  idOf(row: Row): string;
  /** It is not among those that are watched any more. */
  isGone(change: Change): boolean;
  /** Told of what did not come again after an outage. */
  goneChange(id: string): Change;
  lineOf(change: Change): string | undefined;
  /** What has to differ to be worth a line. */
  essenceOf(row: Row): string;
  byInterest(a: Row, b: Row): number;
  /** @param rows all that are watched */
  columnsOf(rows: readonly Row[], width: number): readonly Column<Row>[];
  /** Shown where there is nothing. */
  readonly nothing: string;
}

export interface WatchView<Change> {
  take(change: Change): Promise<void>;
  brokenOff(): void;
  end(): Promise<void>;
}

/** A line for each change that says something new. */
export class ChangeLines<Change, Row> implements WatchView<Change> {
  private readonly out: Output;
  private readonly words: WatchWords<Change, Row>;
  /** Of each thing what was said last. */
  private readonly said = new Map<string, string>();
  /** After an outage: those that have not come again yet. */
  private missing: Set<string> | undefined;

  constructor(out: Output, words: WatchWords<Change, Row>) {
    this.out = out;
    this.words = words;
  }

  async take(change: Change): Promise<void> {
    const { words } = this;
    const row = words.rowOf(change);
    if (row === undefined) return await this.takeEndOfBeginning(change);
    const id = words.idOf(row);
    this.missing?.delete(id);
    const isGone = words.isGone(change);
    const essence = words.essenceOf(row);
    const isNew = this.said.get(id) !== essence || isGone;
    if (isGone) this.said.delete(id);
    else this.said.set(id, essence);
    if (isNew) await this.write(change);
  }

  brokenOff(): void {
    this.missing = new Set(this.said.keys());
  }

  async end(): Promise<void> {}

  /** All that is there has come: what has not, has ceased to match meanwhile. */
  private async takeEndOfBeginning(change: Change): Promise<void> {
    const { missing } = this;
    if (missing === undefined) return await this.write(change);
    this.missing = undefined;
    for (const id of missing) {
      this.said.delete(id);
      await this.write(this.words.goneChange(id));
    }
  }

  private async write(change: Change): Promise<void> {
    const line = this.words.lineOf(change);
    if (line !== undefined) await this.out.line(line);
  }
}

/** What is watched, as it is now. */
export class LiveTable<Change, Row> implements WatchView<Change> {
  private readonly out: Output;
  private readonly words: WatchWords<Change, Row>;
  private readonly rows = new Map<string, Row>();
  private readonly area: LiveArea;
  private isAnew = false;

  constructor(out: Output, words: WatchWords<Change, Row>) {
    this.out = out;
    this.words = words;
    this.area = new LiveArea(out, () => this.render());
  }

  /** When all that was there has come, too: an empty table is worth saying so. */
  async take(change: Change): Promise<void> {
    const { words, rows } = this;
    if (this.isAnew) rows.clear();
    this.isAnew = false;
    const row = words.rowOf(change);
    if (row !== undefined && words.isGone(change)) rows.delete(words.idOf(row));
    else if (row !== undefined) rows.set(words.idOf(row), row);
    this.area.touch();
  }

  /** What is there comes again, and what is not does not. */
  brokenOff(): void {
    this.isAnew = true;
  }

  end(): Promise<void> {
    return this.area.end();
  }

  /** What fits the screen, the most interesting first. */
  private render(): string {
    const { out, words, rows } = this;
    if (rows.size === 0) return `${words.nothing}\n`;
    const ordered = [...rows.values()].sort((a, b) => words.byInterest(a, b));
    // One line for the titles, one for what is left out, one for the cursor.
    const fitting = ordered.slice(0, Math.max(1, out.height - 3));
    const columns = words.columnsOf(ordered, out.width);
    const table = renderTable(columns, fitting, { width: out.width - 1, hasColour: out.hasColour });
    const left = ordered.length - fitting.length;
    return left === 0 ? table : `${table}… and ${left} more\n`;
  }
}
