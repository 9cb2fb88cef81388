/**
 * `owl store events`: what one stream of a store holds, for auditors among others.
 *
 * Guarantees: each revision within what is shown is told, one that is damaged, can't be read or is missing in its place. Nothing is
 * changed, and nothing that was stored can move the cursor.
 */

import { styleText } from 'node:util';
import type { Command } from 'commander';
import { OwlError } from '../../base/errors.js';
import { closest } from '../../base/suggestion.js';
import { isOwlStream } from '../../runtime/event-store/append-check.js';
import { categoryOf, NEWEST_COUNTS, type RecordedEvent } from '../../runtime/event-store/event-store.js';
import { wholeNumber } from '../arguments.js';
import type { OpenChecked } from '../checked-store.js';
import type { Place } from '../copy-ends.js';
import { UsageError } from '../exit.js';
import { formatFields, formatTime, toJson } from '../format.js';
import { addExamples } from '../help.js';
import type { Cli } from '../system.js';
import { type Column, renderTable } from '../table.js';
import { count, FROM, placeOf, type StoreFlags } from './store-upkeep.js';

interface EventsFlags extends StoreFlags {
  readonly revision?: number;
  readonly limit?: number;
  readonly newestFirst?: boolean;
}

/** What stands at a revision, or at several that are missing. */
interface Entry {
  readonly revision: number;
  readonly event?: RecordedEvent;
  /** Why there is no event to go by. */
  readonly damage?: string;
}

const MOST = 1_000_000_000;

export function addEventsCommand(group: Command, cli: Cli): void {
  const events = group
    .command('events')
    .summary('show what a stream holds')
    .description(
      'Shows the events of one stream, oldest first: each with its revision, its time, who told it and its data. ' +
        'STORE is a data directory or esdb://HOST:PORT; its node may run. Nothing is changed.',
    )
    .argument('<STREAM>', 'its whole name, CATEGORY-ID: owl_caller-NAME for one')
    .option(...FROM)
    .option('--credentials-file <FILE>', 'its first line is user:password, for EventStoreDB')
    .option(
      '--revision <N>',
      'begin at this revision, instead of at the end of the stream',
      wholeNumber(0, MOST),
    )
    .option('--limit <N>', 'at most so many', wholeNumber(1, MOST))
    .option('--newest-first', 'from the newest to the oldest');
  addExamples(events, [
    ['owl store events owl_caller-shed-3', 'what shed-3 was denied'],
    ['owl store events owl_caller-shed-7 --newest-first --limit 5', 'the newest five, of a caller'],
    ['owl store events owl_caller-shed-7 --json', 'one JSON object a line, with ids, causes and whole data'],
  ]);
  events.action(async (stream: string, _options: unknown, self: Command) => {
    await showEvents(cli, self.optsWithGlobals<EventsFlags>(), stream);
  });
}

async function showEvents(cli: Cli, options: EventsFlags, stream: string): Promise<void> {
  if (!isOwlStream(stream))
    throw new UsageError(
      `${JSON.stringify(stream)} is no name of a stream: it is CATEGORY-ID, owl_caller-shed-7 for instance`,
    );
  const { place, credentialsFile, logger } = await placeOf(cli, options);
  const { openChecked } = await import('../checked-store.js');
  const store = await openChecked(place, credentialsFile, logger);
  const { out } = cli;
  const entries: Entry[] = [];
  let shown = 0;
  let damaged = 0;
  try {
    for await (const entry of entriesOf(store, stream, options)) {
      cli.interrupted.throwIfAborted();
      shown++;
      if (entry.damage !== undefined) damaged++;
      if (options.json) await out.line(asJson(stream, entry));
      else entries.push(entry);
    }
    if (shown === 0) await refuseNone(store, stream, place);
  } finally {
    await store.close();
  }
  if (!options.json) await out.write(renderTable(COLUMNS, entries, out));
  if (damaged > 0)
    await cli.err.line(
      `${damaged} of ${count(shown, 'row')} can't be gone by; \`owl store check\` looks at the whole store`,
    );
}

const COLUMNS: readonly Column<Entry>[] = [
  { title: 'REV', rank: 0, align: 'right', value: ({ revision }) => String(revision) },
  { title: 'TIME', rank: 0, value: ({ event }) => timeOf(event) },
  { title: 'EVENT', rank: 0, least: 8, overflow: 'wrap', value: ({ event }) => event?.type ?? '' },
  { title: 'BY', rank: 2, least: 6, overflow: 'wrap', value: ({ event }) => event?.metadata.by ?? '' },
  {
    ...{ title: 'DATA', rank: 1, least: 16, overflow: 'wrap' },
    value: ({ event, damage }) =>
      damage === undefined ? formatFields(event?.data ?? {}) : `damaged: ${damage}`,
    paint: (text, { damage }) => (damage === undefined ? text : styleText('red', text)),
  },
];

/** Of an event that lost its metadata the time is not known. */
function timeOf(event: RecordedEvent | undefined): string {
  return formatTime(event === undefined ? undefined : event.metadata.time / 1000);
}

function asJson(stream: string, { revision, event, damage }: Entry): string {
  return toJson({
    ...{ stream, revision, type: event?.type, version: event?.version },
    time: event === undefined ? undefined : event.metadata.time / 1000,
    event_id: event?.id,
    correlation_id: event?.metadata.$correlationId,
    causation_id: event?.metadata.$causationId,
    command_id: event?.metadata.commandId,
    by: event?.metadata.by,
    data: event?.data,
    position: event?.position,
    damage,
  });
}

/** With what is missing between them. */
async function* entriesOf(store: OpenChecked, stream: string, options: EventsFlags): AsyncGenerator<Entry> {
  const { revision: from, limit = MOST, newestFirst = false } = options;
  const mayLack = NEWEST_COUNTS.has(categoryOf(stream));
  // The first revision is known beforehand only where the stream begins.
  let next = newestFirst ? undefined : (from ?? 0);
  let left = limit;
  const part = {
    direction: newestFirst ? 'backwards' : 'forwards',
    limit,
    ...(from !== undefined && { from }),
  } as const;
  for await (const found of store.readPart(stream, part)) {
    const entry = 'unreadable' in found ? unreadable(found.unreadable) : entryOf(found);
    const { revision } = entry;
    const gap = next === undefined ? 0 : newestFirst ? next - revision : revision - next;
    if (next !== undefined && gap > 0 && !mayLack) {
      yield missing(next, newestFirst ? revision + 1 : revision - 1);
      left--;
    }
    if (left === 0) return;
    yield entry;
    left--;
    if (left === 0) return;
    next = newestFirst ? revision - 1 : revision + 1;
  }
  if (newestFirst && next !== undefined && next >= 0 && !mayLack) yield missing(next, 0);
}

function entryOf(event: RecordedEvent): Entry {
  const { revision, damage } = event;
  return { revision, event, ...(damage !== undefined && { damage }) };
}

function unreadable({
  revision = 0,
  problem,
}: {
  readonly revision?: number;
  readonly problem: string;
}): Entry {
  return { revision, damage: problem };
}

function missing(first: number, last: number): Entry {
  const damage = first === last ? 'it is missing' : `revisions ${first} to ${last} are missing`;
  return { revision: first, damage };
}

/** @throws OwlError kind `not_found`, unless the stream ends before what was asked for */
async function refuseNone(store: OpenChecked, stream: string, place: Place): Promise<never> {
  for await (const last of store.readPart(stream, { direction: 'backwards', limit: 1 })) {
    if ('unreadable' in last) throw new OwlError('refused', last.unreadable.problem);
    throw new OwlError('not_found', `${stream} ends at revision ${last.revision}, before what was asked for`);
  }
  const nearest = closest(stream, store.names());
  const meant = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  throw new OwlError('not_found', `there is no stream ${stream} in ${place.name}${meant}`);
}
