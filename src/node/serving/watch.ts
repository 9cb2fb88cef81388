/**
 * Following the rows of a read model: all of them as they are, then each that changes.
 *
 * Guarantees: no change falls between the two (listening begins before the first look); what is given is the row at some
 * moment after the change, never an older one; the first look waits for what this node has acknowledged.
 */

import type { ChangeFeed } from './change-feed.js';

/** The rows of a read model that somebody asks about. */
export interface WatchedRows<Row, Key extends string | number> {
  readonly feed: ChangeFeed<Key>;
  /** Resolves once the read model holds what this node has acknowledged. */
  shown(): Promise<void>;
  /** Only rows that concern him are followed, if he is given. */
  readonly whom?: string;
  /** Those that match, as they are now. Taken one by one, in step with whoever reads them. */
  matching(): Iterable<Row>;
  /** Undefined when there is none. */
  get(key: Key): Row | undefined;
}

/** `all` comes once, behind those that there are. */
export type RowNews<Row, Key> =
  | { readonly kind: 'there'; readonly row: Row }
  | { readonly kind: 'all' }
  | { readonly kind: 'changed'; readonly key: Key; readonly row: Row };

/** Ends with the signal. What changes is given whether it matches or not. */
export async function* rowNews<Row, Key extends string | number>(
  { feed, whom, shown, matching, get }: WatchedRows<Row, Key>,
  signal: AbortSignal,
): AsyncGenerator<RowNews<Row, Key>> {
  const changes = feed.follow(signal, whom);
  await shown();
  for (const row of matching()) yield { kind: 'there', row };
  yield { kind: 'all' };
  for await (const keys of changes) {
    for (const key of keys) {
      const row = get(key);
      if (row !== undefined) yield { kind: 'changed', key, row };
    }
  }
}

export interface FilteredRows<Row, Key extends string | number> extends WatchedRows<Row, Key> {
  keyOf(row: Row): Key;
  isMatch(row: Row): boolean;
}

/** `gone`: it was shown and matches no longer. */
export type WatchNews<Row> =
  | { readonly kind: 'there' | 'changed' | 'gone'; readonly row: Row }
  | { readonly kind: 'all' };

/** The same of those rows alone that match: one that ceases to is told once. Remembers the keys of those that were shown. */
export async function* watchRows<Row, Key extends string | number>(
  rows: FilteredRows<Row, Key>,
  signal: AbortSignal,
): AsyncGenerator<WatchNews<Row>> {
  const shown = new Set<Key>();
  for await (const news of rowNews(rows, signal)) {
    if (news.kind === 'all') {
      yield news;
      continue;
    }
    const { kind, row } = news;
    if (kind === 'there') {
      shown.add(rows.keyOf(row));
      yield { kind, row };
      continue;
    }
    const matches = rows.isMatch(row);
    if (matches) shown.add(news.key);
    else if (!shown.delete(news.key)) continue;
    yield { kind: matches ? 'changed' : 'gone', row };
  }
}
