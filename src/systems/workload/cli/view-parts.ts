/** What the views of datasets, tasks, jobs and pilots are made of. */

import { styleText } from 'node:util';
import { formatDuration } from '../../../cli/format.js';
import { shortIds } from '../../../cli/short-ids.js';
import type { Column } from '../../../cli/table.js';

/** In the order of their lives. */
export const TASK_STATES = [
  ...['registered', 'splitting', 'running', 'finishing', 'cancelling', 'failed', 'finished', 'cancelled'],
] as const;
export const JOB_STATES = [
  ...['created', 'queued', 'staging', 'running', 'cancelling', 'failed', 'finished', 'cancelled'],
] as const;
export const PILOT_STATES = ['active', 'draining', 'lost', 'detached', 'retired'] as const;

/** Nothing happens of it any more, unless somebody wants it. */
export const OVER: ReadonlySet<string> = new Set(['failed', 'finished', 'cancelled']);

/** Where the page of an id is not the one that the others were told apart on. */
const UID_SHOWN = 8;

type Format = Parameters<typeof styleText>[0];
const COLOUR_OF_STATUS: ReadonlyMap<string, Format> = new Map<string, Format>([
  ...(['running', 'splitting', 'staging', 'open'] as const).map((name) => [name, 'cyan'] as const),
  ...(['finished', 'closed', 'active', 'available', 'used'] as const).map((name) => [name, 'green'] as const),
  ...(['cancelling', 'cancelled', 'draining', 'aborted', 'finishing'] as const).map(
    (name) => [name, 'yellow'] as const,
  ),
  ...(['failed', 'lost', 'missing', 'corrupt'] as const).map((name) => [name, 'red'] as const),
]);

export function paintStatus(text: string, status: string | undefined): string {
  const format = COLOUR_OF_STATUS.get(status ?? '');
  return format === undefined ? text : styleText(format, text);
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
