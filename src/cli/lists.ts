/** Lists that come page by page, as people and programs read them: however long they are, memory is that of a page. */

import { toJson } from './format.js';
import { type Column, Table } from './table.js';
import type { Terminal } from './terminal.js';

/**
 * The first page decides the layout. Answers whether there was anything.
 * @param columnsOf of each page before it is shown; those of the first one count
 */
export async function printTable<Row>(
  { out }: Terminal,
  pages: AsyncIterable<Row[]>,
  columnsOf: (rows: readonly Row[]) => readonly Column<Row>[],
): Promise<boolean> {
  let table: Table<Row> | undefined;
  for await (const rows of pages) {
    const columns = columnsOf(rows);
    if (table === undefined) {
      table = new Table(columns, rows, out);
      await out.write(table.header());
    }
    await out.write(table.body(rows));
  }
  return table !== undefined;
}

/** One JSON document, an element a line. */
export async function printJsonArray({ out }: Terminal, pages: AsyncIterable<unknown[]>): Promise<void> {
  let before = '[\n';
  for await (const rows of pages) {
    for (const row of rows) {
      await out.write(before + toJson(row));
      before = ',\n';
    }
  }
  await out.write(before === '[\n' ? '[]\n' : '\n]\n');
}
