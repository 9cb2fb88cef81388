/** A task's history as a table: what happened, when, and what it changed. */

import { z } from 'zod';
import {
  formatDuration,
  formatFields,
  formatPercent,
  formatSize,
  formatTime,
  NO_TEXT,
} from '../../../cli/format.js';
import type { Column } from '../../../cli/table.js';
import type { PlotTaskEventMessage } from '../wire/messages.js';

/** From this width on there is room to say who it was. */
const WIDE = 120;

export function historyColumns(width: number): Column<PlotTaskEventMessage>[] {
  const columns: Column<PlotTaskEventMessage>[] = [
    { title: 'REV', rank: 0, align: 'right', value: ({ revision = 0 }) => String(revision) },
    { title: 'TIME', rank: 0, value: ({ time }) => formatTime(time) },
    { title: 'EVENT', rank: 0, least: 8, value: ({ type = '' }) => eventName(type) },
    { title: 'WHAT CHANGED', rank: 1, least: 16, overflow: 'wrap', value: ({ data }) => whatChanged(data) },
  ];
  if (width >= WIDE) columns.push({ title: 'BY', rank: 2, value: ({ by = '' }) => by });
  return columns;
}

/** `PlotTaskStopRequested` is "stop requested" here: what it happened to is known. */
function eventName(type: string): string {
  return type
    .replace(/^PlotTask(?=[A-Z])/, '')
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, ' ')
    .toLowerCase();
}

const EventData = z.record(z.string(), z.unknown());

/** `progress 12.5%, p1_t2_time 3m 02s`; the data as it came when it is no JSON object. Whose history it is, is known. */
export function whatChanged(data: string | undefined): string {
  if (data === undefined || data === '') return '';
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    return data;
  }
  const fields = EventData.safeParse(parsed);
  if (!fields.success) return data;
  const { task_id: _known, ...changed } = fields.data;
  return formatFields(changed, formatField);
}

const POINT_IN_TIME = /^(received|pending|started|running|finished)_time$|_at$/;
const DURATION = /_time$/;
const PERCENT = /_cpu$|^progress$/;
const BYTES = /^wrote$/;
/** Of table 1 after phase 1, as plotters count it. */
const ENTRIES = /_now_size$/;

function formatField(name: string, value: unknown): string {
  if (typeof value === 'string') return value || NO_TEXT;
  if (typeof value !== 'number') return JSON.stringify(value);
  if (POINT_IN_TIME.test(name)) return formatTime(value);
  if (DURATION.test(name)) return formatDuration(value);
  if (PERCENT.test(name)) return formatPercent(value);
  if (BYTES.test(name)) return formatSize(value);
  if (ENTRIES.test(name)) return `${value} entries`;
  return String(value);
}
