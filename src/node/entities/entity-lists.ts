/**
 * Entities in pages, by their running numbers. Guarantees: those of pages (src/node/serving/pages.ts), and that a page shows at least
 * everything this node has acknowledged before it was asked for.
 */

import type { Database, SqlRow } from '../../base/sql.js';
import type { JsonObject } from '../../runtime/event-store/event-store.js';
import { pageOf, pageTokens, readPageSize } from '../serving/pages.js';
import type { EntityRows } from './entity-rows.js';
import type { EntityTable } from './entity-table.js';

/** What every list is asked for; `pageFields` declares it. */
export interface AskedPage {
  readonly page_size?: number | undefined;
  readonly page_token?: string | undefined;
  readonly newest_first?: boolean | undefined;
}

export interface Place {
  /** A running number, exclusive. Undefined: from the first. */
  readonly after: number | undefined;
  readonly newestFirst: boolean;
  readonly limit: number;
}

export interface EntityList<Message> {
  /** The column of the running number. */
  readonly number: string;
  /** All that makes the list what it is, order included: a token is good for that alone. Its keys have the same order each time. */
  readonly query: JsonObject;
  /** Once the rows hold what they must: those behind a place, in order, and how one is shown. */
  look(place: Place): { readonly rows: readonly SqlRow[]; show(row: SqlRow): Message };
}

export async function pageOfEntities<Message>(
  { readYourWrites }: Pick<EntityRows, 'readYourWrites'>,
  { page_size, page_token, newest_first: newestFirst = false }: AskedPage,
  { number, query, look }: EntityList<Message>,
): Promise<{ readonly messages: Message[]; readonly next: { readonly next_page_token?: string } }> {
  const size = readPageSize(page_size);
  const tokens = pageTokens(query, ['number']);
  const place = tokens.read(page_token)?.[0];
  const after = place === undefined ? undefined : Number(place);
  await readYourWrites();
  const { rows, show } = look({ after, newestFirst, limit: size + 1 });
  const placeOf = (row: SqlRow) => [Number(row[number])];
  const { messages, nextToken } = pageOf({ rows, size, show, placeOf, tokens });
  return { messages: [...messages], next: nextToken === undefined ? {} : { next_page_token: nextToken } };
}

/** Of each column any of its values; of one without values all. Names of columns are the system's own, never a caller's. */
export type RowFilter = Readonly<Record<string, readonly (string | number)[]>>;

/** Those behind a place, in order. */
export function selectEntities(
  db: Database,
  { table, number }: Pick<EntityTable, 'table' | 'number'>,
  filter: RowFilter,
  { after, newestFirst, limit }: Place,
): SqlRow[] {
  const wanted = Object.entries(filter).filter(([, values]) => values.length > 0);
  const conditions = wanted.map(([column, values]) =>
    values.length === 1 ? `${column} = ?` : `${column} IN (${values.map(() => '?').join(', ')})`,
  );
  if (after !== undefined) conditions.push(`${number} ${newestFirst ? '<' : '>'} ?`);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const order = `${number} ${newestFirst ? 'DESC' : 'ASC'}`;
  return db
    .prepare(`SELECT * FROM ${table} ${where} ORDER BY ${order} LIMIT ?`)
    .all(...wanted.flatMap(([, values]) => values), ...(after === undefined ? [] : [after]), limit);
}

const ROWS_AT_A_TIME = 500;

/** All that match, however many, by their running numbers. */
export function* eachEntity(
  db: Database,
  table: Pick<EntityTable, 'table' | 'number'>,
  filter: RowFilter,
): Generator<SqlRow> {
  const place = { newestFirst: false, limit: ROWS_AT_A_TIME };
  for (let after: number | undefined; ; ) {
    const rows = selectEntities(db, table, filter, { ...place, after });
    yield* rows;
    if (rows.length < ROWS_AT_A_TIME) return;
    after = Number(rows.at(-1)?.[table.number]);
  }
}
