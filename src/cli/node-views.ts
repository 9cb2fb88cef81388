/** A node as its operators see it: how far its readers are, its timers, and what is parked and why. */

import { styleText } from 'node:util';
import type {
  LoopStatus,
  NodeStatus,
  ParkedEvent,
  ReaderStatus,
  TimersStatus,
} from '../wire/node-messages.js';
import { formatDuration, formatPercent, formatTime, printable } from './format.js';
import { type Column, renderPairs, renderTable, type TableLayout } from './table.js';
import { wrap } from './text-width.js';

/** Everything a node tells of itself. */
export function nodeCard(node: NodeStatus, layout: TableLayout): string {
  const { worker_id = '', live_actors = 0, systems = [], readers = [], timers = {}, not_serving = '' } = node;
  const { loops = [] } = node;
  const facts = renderPairs(
    [
      ['worker', worker_id],
      ['not serving', not_serving],
      ['systems', systems.join(', ')],
      ['live actors', String(live_actors)],
      ['read models', heldLine(node)],
      ['timers', timersLine(timers)],
      ['timer error', timers.last_error ?? ''],
      ['denied calls', deniedLine(node)],
    ],
    layout.width,
  );
  const parked = readers
    .filter((reader) => (reader.parked ?? 0) > 0)
    .map((reader) => parkedSection(reader, layout.width));
  const tables = [renderTable(READER_COLUMNS, readers, layout)];
  if (loops.length > 0) tables.push(renderTable(LOOP_COLUMNS, loops, layout));
  return [facts, ...tables, ...parked].join('\n');
}

const READER_COLUMNS: readonly Column<ReaderStatus>[] = [
  { title: 'READER', rank: 0, least: 12, value: ({ name = '' }) => name },
  { title: 'KIND', rank: 2, value: ({ kind = '' }) => kind },
  {
    title: 'READ',
    rank: 0,
    align: 'right',
    value: ({ share }) => formatShare(share),
    paint: paintIfBehind,
  },
  {
    title: 'LAG',
    rank: 0,
    align: 'right',
    value: ({ caught_up = false, behind_seconds = 0 }) =>
      caught_up ? 'none' : formatDuration(behind_seconds),
    paint: paintIfBehind,
  },
  { title: 'REBUILD', align: 'right', value: ({ rebuild }) => formatShare(rebuild?.share) },
  {
    title: 'PARKED',
    rank: 0,
    align: 'right',
    value: ({ parked = 0 }) => String(parked),
    paint: (text, { parked = 0 }) => (parked === 0 ? text : styleText('red', text)),
  },
  { title: 'CHECKPOINT', rank: 3, value: ({ checkpoint = '' }) => checkpoint },
  {
    title: 'ERROR',
    least: 16,
    overflow: 'wrap',
    value: ({ last_error = '', rebuild }) => last_error || (rebuild?.last_error ?? ''),
  },
];

const LOOP_COLUMNS: readonly Column<LoopStatus>[] = [
  { title: 'LOOP', rank: 0, least: 12, value: ({ name = '' }) => name },
  { title: 'ROUNDS', rank: 2, align: 'right', value: ({ rounds = 0 }) => String(rounds) },
  {
    title: 'DOES',
    rank: 0,
    least: 16,
    overflow: 'wrap',
    value: doingLine,
    paint: (text, { state }) => (state === 'failing' ? styleText('red', text) : text),
  },
];

/** `nothing to do until 2026-03-09 12:03:11`. */
function doingLine({ doing = '', state, since_time, next_time }: LoopStatus): string {
  if (state === 'running') return `${doing} since ${formatTime(since_time)}`;
  if (next_time === undefined) return doing;
  return state === 'failing'
    ? `${doing}; next try ${formatTime(next_time)}`
    : `${doing}, until ${formatTime(next_time)}`;
}

function deniedLine({ denied_calls: denied = [] }: NodeStatus): string {
  const of = (wanted: string) =>
    denied.reduce((sum, { kind, count = 0 }) => sum + (kind === wanted ? count : 0), 0);
  const counts = ['unauthenticated', 'forbidden'].map((kind) => [kind, of(kind)] as const);
  return counts.flatMap(([kind, count]) => (count === 0 ? [] : [`${count} ${kind}`])).join(', ');
}

function heldLine({ caught_up = false, share }: NodeStatus): string {
  if (caught_up) return 'hold all that is stored';
  // All that the node has heard of, when it knows already that there is more.
  if (share === undefined || share === 1) return 'are behind what is stored';
  return `hold ${formatShare(share)} of what is stored`;
}

/** Rounded down: what is not whole must not look so. Nothing where the node doesn't know it. */
function formatShare(share: number | undefined): string {
  return share === undefined ? '' : formatPercent(Math.floor(share * 1000) / 10);
}

function paintIfBehind(text: string, { caught_up = false }: ReaderStatus): string {
  return caught_up ? text : styleText('yellow', text);
}

/** Late is what is a second late: less than that is the time that many at once take. */
function timersLine({ pending = 0, next_due_time, firing = 0, failing = 0, ...late }: TimersStatus): string {
  const { late_seconds = 0, most_late_seconds = 0 } = late;
  const parts = [
    `${pending} pending`,
    next_due_time ? `the next is due ${formatTime(next_due_time)}` : '',
    firing > 0 ? `${firing} firing` : '',
    failing > 0 ? `${failing} failing` : '',
    late_seconds >= 1 ? `the oldest is ${formatDuration(late_seconds)} late` : '',
    most_late_seconds >= 1 ? `lately up to ${formatDuration(most_late_seconds)} late` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

/** Stream by stream: all but the first parked event of a stream only wait for that one, so its error is the one that matters. */
function parkedSection({ name = '', parked = 0, parked_events = [] }: ReaderStatus, width: number): string {
  const title = `${name} parked ${events(parked)}; mend the cause, then \`owl node redrive ${name}\``;
  const byStream = new Map<string, ParkedEvent[]>();
  for (const event of parked_events) {
    const { stream = '' } = event;
    byStream.set(stream, [...(byStream.get(stream) ?? []), event]);
  }
  const left = parked - parked_events.length;
  return [
    ...wrap(printable(title), width).map((line) => `${line}\n`),
    ...[...byStream].map(([stream, waiting]) => `\n${renderPairs(streamPairs(stream, waiting), width)}`),
    left > 0 ? `\n… and ${left} more\n` : '',
  ].join('');
}

function streamPairs(stream: string, [first = {}, ...behind]: readonly ParkedEvent[]): [string, string][] {
  const { revision = 0, type = '', attempts = 0, parked_time, error = '' } = first;
  return [
    ['stream', stream],
    ['event', `revision ${revision}, ${type}`],
    ['error', error],
    ['tried', times(attempts)],
    ['parked', formatTime(parked_time)],
    ['behind it', behind.length === 0 ? '' : `${events(behind.length)} of this stream`],
  ];
}

function events(count: number): string {
  return count === 1 ? '1 event' : `${count} events`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
