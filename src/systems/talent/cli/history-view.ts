/** How the events of a plot task are told. */

import { formatDuration, formatPercent, formatSize, formatTime, NO_TEXT } from '../../../cli/format.js';
import {
  whatChanged as changedBy,
  historyColumns as columnsOf,
  type HistoryWords,
} from '../../../cli/history-view.js';
import type { Column } from '../../../cli/table.js';
import type { PlotTaskEventMessage } from '../wire/messages.js';

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

const WORDS: HistoryWords = { prefix: /^PlotTask(?=[A-Z])/, known: ['task_id'], formatField };

export function historyColumns(width: number): Column<PlotTaskEventMessage>[] {
  return columnsOf(width, WORDS);
}

/** `progress 12.5%, p1_t2_time 3m 02s`; the data as it came when it is no JSON object. */
export function whatChanged(data: string | undefined): string {
  return changedBy(data, WORDS);
}
