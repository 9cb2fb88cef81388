/**
 * `owl store info`: what a store holds, and what it will hold in a year.
 *
 * What one stream takes is its share, by its events, of all that is in use in the file: events, indexes and the read models that are made
 * of them. EventStoreDB does not say what it takes on its disks, so there it is the events alone, as JSON.
 */

import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { numberIn } from '../../base/sql.js';
import { RECENT_DAYS, type StoreSize } from '../../runtime/event-store/store-size.js';
import type { Place } from '../copy-ends.js';
import { formatSize, formatTime, toJson } from '../format.js';
import { addExamples } from '../help.js';
import type { Cli } from '../system.js';
import { type Column, renderPairs, renderTable } from '../table.js';
import { count, FROM, placeOf, type StoreFlags, withProgress } from './store-upkeep.js';

/** Of the file of a data directory. Bytes. */
interface FileSize {
  readonly size: number;
  /** In the file, and free for what comes. */
  readonly free: number;
  /** Written, and not yet in the file. */
  readonly log: number;
  /** On its file system. */
  readonly diskFree: number;
}

interface Growth {
  readonly category: string;
  /** As people call its streams. */
  readonly called: string;
  readonly streams: number;
  readonly events: number;
  /** With all that is made of it. */
  readonly bytes: number;
  readonly bytesEach: number;
  /** Undefined while the store is younger than a day. */
  readonly streamsADay: number | undefined;
  readonly bytesAYear: number | undefined;
}

const DAYS_A_YEAR = 365;

export function addInfoCommand(group: Command, cli: Cli): void {
  const info = group
    .command('info')
    .summary('what a store holds, and how fast it grows')
    .description(
      'Reads a store and says what is in it, what each piece of work takes, and what that will be in a year: a store only grows. ' +
        'STORE is a data directory or esdb://HOST:PORT; its node may run. Nothing is changed.',
    )
    .option(...FROM)
    .option('--credentials-file <FILE>', 'its first line is user:password, for EventStoreDB');
  addExamples(info, [['owl store info --from /var/lib/owl', 'the history in a data directory']]);
  info.action(async (_options: unknown, self: Command) => {
    await tellStore(cli, self.optsWithGlobals<StoreFlags>());
  });
}

async function tellStore(cli: Cli, options: StoreFlags): Promise<void> {
  const { place, credentialsFile, logger } = await placeOf(cli, options);
  const { openChecked } = await import('../checked-store.js');
  const { measureStore } = await import('../../runtime/event-store/store-size.js');
  const store = await openChecked(place, credentialsFile, logger);
  try {
    const size = await withProgress(cli, (view) =>
      measureStore({
        events: store.readAll(),
        now: Date.now(),
        signal: cli.interrupted,
        onProgress: (events) => view.take({ step: 'reading all events', events, total: undefined }),
      }),
    );
    const file = place.kind === 'directory' ? await fileSizeOf(place.path) : undefined;
    await tell(cli, options, { place, size, file, growth: growthOf(cli, size, file) });
  } finally {
    await store.close();
  }
}

interface Told {
  readonly place: Place;
  readonly size: StoreSize;
  readonly file: FileSize | undefined;
  readonly growth: readonly Growth[];
}

async function tell(cli: Cli, { json = false }: StoreFlags, told: Told): Promise<void> {
  if (json) return await cli.out.line(asJson(told));
  const { place, size, file, growth } = told;
  const { events, streams, firstAt, lastAt, recentDays, unreadable } = size;
  const span =
    firstAt === undefined || lastAt === undefined
      ? ''
      : `, from ${formatTime(firstAt / 1000)} to ${formatTime(lastAt / 1000)}`;
  const pairs: [string, string][] = [
    ['store', place.name],
    ['events', `${count(events, 'event')} of ${count(streams, 'stream')}${span}`],
    ['file', file === undefined ? '' : fileSentence(file)],
    ['unreadable', unreadable === 0 ? '' : `${unreadable}; owl store check names them`],
  ];
  await cli.out.write(renderPairs(pairs, cli.out.width));
  if (growth.length === 0) return;
  await cli.out.write(
    `\n${renderTable(COLUMNS, growth, { width: cli.out.width, hasColour: cli.out.hasColour })}\n`,
  );
  const aYear = sumOf(growth);
  await cli.out.line(
    aYear === undefined
      ? 'A store only grows: nothing is removed from it. How fast, it tells when it is a day old.'
      : `A store only grows: nothing is removed from it. As in the last ${days(recentDays)}, that is ${formatSize(aYear)} more in a year${diskSentence(file, aYear)}.`,
  );
}

const COLUMNS: readonly Column<Growth>[] = [
  { title: 'WHAT', rank: 0, least: 12, value: ({ called }) => called },
  { title: 'STREAMS', rank: 1, align: 'right', value: ({ streams }) => String(streams) },
  { title: 'EVENTS', rank: 3, align: 'right', value: ({ events }) => String(events) },
  { title: 'SIZE', rank: 2, align: 'right', value: ({ bytes }) => formatSize(Math.round(bytes)) },
  { title: 'EACH', rank: 1, align: 'right', value: ({ bytesEach }) => formatSize(Math.round(bytesEach)) },
  { title: 'A DAY', rank: 1, align: 'right', value: ({ streamsADay }) => streamsADay?.toFixed(1) ?? '' },
  { title: 'IN A YEAR', rank: 1, align: 'right', value: ({ bytesAYear }) => formatSize(wholeOf(bytesAYear)) },
];

async function fileSizeOf(directory: string): Promise<FileSize> {
  const { openDatabaseIn } = await import('../store-place.js');
  const db = openDatabaseIn(directory);
  try {
    const pragma = (name: string) => numberIn(db.prepare(`PRAGMA ${name}`).get() ?? {}, name);
    const pageBytes = pragma('page_size');
    const log = statSync(join(directory, 'owl.db-wal'), { throwIfNoEntry: false })?.size ?? 0;
    const { bavail, bsize } = statfsSync(directory);
    return {
      ...{ size: pragma('page_count') * pageBytes, free: pragma('freelist_count') * pageBytes },
      ...{ log, diskFree: bavail * bsize },
    };
  } finally {
    db.close();
  }
}

/** What a category takes of the whole is as much as its events are of all events. */
function growthOf({ systems }: Cli, size: StoreSize, file: FileSize | undefined): Growth[] {
  const names = new Map(systems.flatMap(({ counted = {} }) => Object.entries(counted)));
  const inUse = file === undefined ? size.bytes : file.size - file.free;
  const factor = size.bytes === 0 ? 0 : inUse / size.bytes;
  const { recentDays } = size;
  const aDay = (recent: number) => (recentDays < 1 ? undefined : recent / recentDays);
  return size.categories.map(({ category, streams, events, bytes, recentStreams, recentBytes }) => {
    const bytesADay = aDay(recentBytes * factor);
    return {
      ...{ category, called: names.get(category) ?? category, streams, events },
      bytes: bytes * factor,
      bytesEach: streams === 0 ? 0 : (bytes * factor) / streams,
      streamsADay: aDay(recentStreams),
      bytesAYear: bytesADay === undefined ? undefined : bytesADay * DAYS_A_YEAR,
    };
  });
}

/** Undefined while that of one is not known. */
function sumOf(growth: readonly Growth[]): number | undefined {
  const known = growth.map(({ bytesAYear }) => bytesAYear).filter((bytes) => bytes !== undefined);
  return known.length < growth.length ? undefined : known.reduce((all, bytes) => all + bytes, 0);
}

function fileSentence({ size, free, log }: FileSize): string {
  const parts = [
    ...(free === 0 ? [] : [`${formatSize(free)} of it free for what comes`]),
    ...(log === 0 ? [] : [`${formatSize(log)} beside it in its log`]),
  ];
  return [formatSize(size), ...parts].join(', ');
}

function diskSentence(file: FileSize | undefined, aYear: number): string {
  if (file === undefined || aYear === 0) return '';
  const years = file.diskFree / aYear;
  return `, and the ${formatSize(file.diskFree)} free on its disk last ${years < 100 ? `${years.toFixed(1)} years` : 'for more than a hundred years'}`;
}

function asJson({ place, size, file, growth }: Told): string {
  const { events, streams, firstAt, lastAt, recentDays, unreadable } = size;
  return toJson({
    ...{ store: place.name, events, streams, unreadable },
    first_time: firstAt === undefined ? null : firstAt / 1000,
    last_time: lastAt === undefined ? null : lastAt / 1000,
    recent_days: recentDays,
    file_bytes: file?.size ?? null,
    free_bytes: file?.free ?? null,
    log_bytes: file?.log ?? null,
    disk_free_bytes: file?.diskFree ?? null,
    bytes_a_year: wholeOf(sumOf(growth)) ?? null,
    categories: growth.map((one) => ({
      ...{ category: one.category, streams: one.streams, events: one.events },
      bytes: wholeOf(one.bytes),
      bytes_each: wholeOf(one.bytesEach),
      streams_a_day: one.streamsADay ?? null,
      bytes_a_year: wholeOf(one.bytesAYear) ?? null,
    })),
  });
}

function wholeOf(number: number | undefined): number | undefined {
  return number === undefined ? undefined : Math.round(number);
}

function days(number: number): string {
  return number < 29.95 ? `${number.toFixed(1)} days` : `${RECENT_DAYS} days`;
}
