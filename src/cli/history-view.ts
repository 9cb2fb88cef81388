/** A history as a table: what happened, when, and what it changed. */

import { z } from 'zod';
import { formatFields, formatTime } from './format.js';
import type { Column } from './table.js';

/** From this width on there is room to say who it was. */
const WIDE = 120;

export interface HistoryEvent {
  readonly revision?: number;
  readonly type?: string;
  readonly time?: number;
  /** As JSON. */
  readonly data?: string;
  readonly by?: string;
}

/** How events of one kind of thing are told. */
export interface HistoryWords {
  /** How the types of all its events begin: what it happened to is known. */
  readonly prefix: RegExp;
  /** A field that says whose history it is. */
  readonly known: readonly string[];
  formatField(name: string, value: unknown): string;
}

export function historyColumns(width: number, words: HistoryWords): Column<HistoryEvent>[] {
  const columns: Column<HistoryEvent>[] = [
    { title: 'REV', rank: 0, align: 'right', value: ({ revision = 0 }) => String(revision) },
    { title: 'TIME', rank: 0, value: ({ time }) => formatTime(time) },
    { title: 'EVENT', rank: 0, least: 8, value: ({ type = '' }) => eventName(type, words.prefix) },
    {
      ...{ title: 'WHAT CHANGED', rank: 1, least: 16, overflow: 'wrap' },
      value: ({ data }) => whatChanged(data, words),
    },
  ];
  if (width >= WIDE) columns.push({ title: 'BY', rank: 2, value: ({ by = '' }) => by });
  return columns;
}

/** `PlotTaskStopRequested` is "stop requested" here. */
function eventName(type: string, prefix: RegExp): string {
  return type
    .replace(prefix, '')
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, ' ')
    .toLowerCase();
}

const EventData = z.record(z.string(), z.unknown());

/** `progress 12.5%, p1_t2_time 3m 02s`; the data as it came when it is no JSON object. */
export function whatChanged(data: string | undefined, { known, formatField }: HistoryWords): string {
  if (data === undefined || data === '') return '';
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    return data;
  }
  const fields = EventData.safeParse(parsed);
  if (!fields.success) return data;
  const changed = Object.entries(fields.data).filter(([name]) => !known.includes(name));
  return formatFields(Object.fromEntries(changed), formatField);
}
