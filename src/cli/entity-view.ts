/** What the views of entities are made of, whatever system they are of. */

import { styleText } from 'node:util';
import { formatDuration } from './format.js';
import { shortIds } from './short-ids.js';
import type { Column } from './table.js';

/** Where the page of an id is not the one that the others were told apart on. */
const UID_SHOWN = 8;

type Format = Parameters<typeof styleText>[0];

/** Paints what says a status. @param formats each with the statuses that have it; others stay as they are */
export function statusPainter<Status extends string>(
  formats: readonly (readonly [Format, readonly Status[]])[],
): (text: string, status: string | undefined) => string {
  const formatOf = new Map<string, Format>(
    formats.flatMap(([format, statuses]) => statuses.map((status) => [status, format] as const)),
  );
  return (text, status) => {
    const format = formatOf.get(status ?? '');
    return format === undefined ? text : styleText(format, text);
  };
}

/** The number that people go by, and so much of the uid as tells it apart on this page. */
export function idColumns<Row>(
  title: string,
  rows: readonly Row[],
  ids: (row: Row) => { readonly number?: number | undefined; readonly uid?: string | undefined },
): Column<Row>[] {
  const shown = shortIds(rows.flatMap((row) => ids(row).uid ?? []));
  return [
    { title, rank: 0, align: 'right', value: (row) => String(ids(row).number ?? '') },
    {
      ...{ title: 'UID', rank: 4 },
      value: (row) => {
        const { uid = '' } = ids(row);
        return shown.get(uid) ?? uid.slice(0, UID_SHOWN);
      },
    },
  ];
}

export function tookText(from: number | undefined, to: number | undefined): string {
  return from === undefined || to === undefined ? '' : formatDuration(to - from);
}

/** Nothing for none; zero is shown where that says something. */
export function some(value: number | undefined, isZeroShown = false): string {
  return value === undefined || (value === 0 && !isZeroShown) ? '' : String(value);
}
