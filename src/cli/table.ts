/**
 * Plain tables for people. Guarantees: no line is wider than asked for; a column that does not fit, or that is empty in
 * every row, is left out rather than squeezed beyond reading; columns are given room in the order of their rank. Columns of
 * rank 0 always stay, so together they must be content with the narrowest terminal.
 */

import { printable } from './format.js';
import { cut, pad, textWidth, wrap } from './text-width.js';

export interface Column<Row> {
  readonly title: string;
  /** Empty where there is nothing to show. */
  value(row: Row): string;
  /** Lower ranks get their room first; rank 0 is never left out. Default 1. */
  readonly rank?: number;
  /** Least columns it makes sense in; a shorter longest value takes less. Default: the longest value whole. */
  readonly least?: number;
  readonly align?: 'left' | 'right';
  /** What happens to a value that is too long. Default: its end is cut off. */
  readonly overflow?: 'cut-end' | 'cut-start' | 'wrap';
  /** Adds colour; changes nothing else. */
  paint?(text: string, row: Row): string;
}

export interface TableLayout {
  /** In terminal columns. */
  readonly width: number;
  readonly hasColour?: boolean;
}

interface Placed<Row> {
  readonly column: Column<Row>;
  readonly width: number;
}

const GAP = '  ';
const NOTHING = '-';

/** Renders the first rows and, with the same layout, rows that come later. */
export class Table<Row> {
  private readonly placed: readonly Placed<Row>[];
  private readonly hasColour: boolean;

  /** @param rows decide the layout */
  constructor(columns: readonly Column<Row>[], rows: readonly Row[], layout: TableLayout) {
    this.placed = place(columns, rows, layout.width);
    this.hasColour = layout.hasColour ?? false;
  }

  /** The titles, ended by a line break. */
  header(): string {
    return `${this.placed
      .map(({ column, width }) => pad(cut(column.title, width), width, column.align ?? 'left'))
      .join(GAP)
      .trimEnd()}\n`;
  }

  /** One line for each row, more where a column wraps, each ended by a line break. */
  body(rows: readonly Row[]): string {
    return rows.map((row) => this.lines(row)).join('');
  }

  private lines(row: Row): string {
    const cells = this.placed.map(({ column, width }) => {
      const text = printable(column.value(row)) || NOTHING;
      if (column.overflow === 'wrap') return wrap(text, width);
      return [cut(text, width, column.overflow === 'cut-start' ? 'start' : 'end')];
    });
    const height = Math.max(...cells.map((lines) => lines.length));
    let text = '';
    for (let line = 0; line < height; line += 1) {
      const parts = this.placed.map(({ column, width }, index) => {
        const cell = cells[index]?.[line] ?? '';
        const space = ' '.repeat(width - textWidth(cell));
        const painted = this.hasColour && cell !== '' ? (column.paint?.(cell, row) ?? cell) : cell;
        return column.align === 'right' ? space + painted : painted + space;
      });
      text += `${parts.join(GAP).trimEnd()}\n`;
    }
    return text;
  }
}

/** Header and all rows. */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  layout: TableLayout,
): string {
  const table = new Table(columns, rows, layout);
  return table.header() + table.body(rows);
}

function place<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): Placed<Row>[] {
  const wanted = columns.flatMap((column, index) => {
    const values = rows.map((row) => printable(column.value(row)));
    const rank = column.rank ?? 1;
    if (rank > 0 && rows.length > 0 && values.every((value) => value === '')) return [];
    const longest = Math.max(textWidth(column.title), ...values.map(textWidth));
    const least = Math.min(longest, Math.max(column.least ?? longest, textWidth(column.title)));
    return [{ column, index, rank, longest, least }];
  });
  wanted.sort((a, b) => a.rank - b.rank || a.index - b.index);

  let room = width + GAP.length;
  const chosen = wanted.filter(({ rank, least }) => {
    const fits = room - least - GAP.length >= 0;
    if (!fits && rank > 0) return false;
    room -= least + GAP.length;
    return true;
  });
  const placed = chosen.map(({ column, index, longest, least }) => {
    const more = Math.max(0, Math.min(longest - least, room));
    room -= more;
    return { column, index, width: least + more };
  });
  return placed.sort((a, b) => a.index - b.index);
}

/** `title  value` lines, the titles aligned; pairs without a value are left out. Long values wrap. */
export function renderPairs(
  pairs: readonly (readonly [title: string, value: string])[],
  width: number,
): string {
  const given = pairs.filter(([, value]) => value !== '');
  const titleWidth = Math.max(0, ...given.map(([title]) => textWidth(title)));
  const valueWidth = Math.max(1, width - titleWidth - GAP.length);
  return given
    .flatMap(([title, value]) =>
      wrap(printable(value), valueWidth).map(
        (line, index) => `${pad(index === 0 ? title : '', titleWidth, 'left')}${GAP}${line}\n`,
      ),
    )
    .join('');
}
