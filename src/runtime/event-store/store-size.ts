/**
 * How much a store holds and how fast it grows, counted over all its events. For people who plan disks: bytes are those of the events
 * as JSON, so they compare categories; what a file takes for them, its indexes and its read models is the file's to say.
 */

import type { Unreadable } from './check-store.js';
import { categoryOf, type RecordedEvent } from './event-store.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** What came within so many days says how fast it grows. */
export const RECENT_DAYS = 30;

export interface CategorySize {
  readonly category: string;
  readonly streams: number;
  readonly events: number;
  readonly bytes: number;
  /** Of these, what came within the last `recentDays`. */
  readonly recentStreams: number;
  readonly recentBytes: number;
}

export interface StoreSize {
  readonly events: number;
  readonly streams: number;
  readonly bytes: number;
  readonly recentBytes: number;
  /** The largest category first. */
  readonly categories: readonly CategorySize[];
  /** Of the events as they were recorded. Milliseconds since the Unix epoch; undefined without events. */
  readonly firstAt: number | undefined;
  readonly lastAt: number | undefined;
  /** How long `recent` is: 30, or since the first event. Days, not whole. */
  readonly recentDays: number;
  /** Places where no event can be read. */
  readonly unreadable: number;
}

type Counts = { -readonly [Key in keyof Omit<CategorySize, 'category'>]: number };

export interface MeasureOptions {
  readonly events: AsyncIterable<RecordedEvent | Unreadable>;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
  readonly onProgress: (events: number) => void;
}

const TOLD_EVERY = 1_000;

/** @throws the signal's reason when it aborts */
export async function measureStore({ events, now, signal, onProgress }: MeasureOptions): Promise<StoreSize> {
  const counts = new Map<string, Counts>();
  const recentFrom = now - RECENT_DAYS * DAY_MS;
  let [firstAt, lastAt] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [read, unreadable] = [0, 0];
  for await (const event of events) {
    signal.throwIfAborted();
    read += 1;
    if (read % TOLD_EVERY === 0) onProgress(read);
    if ('unreadable' in event) {
      unreadable += 1;
      continue;
    }
    const { time } = event.metadata;
    firstAt = Math.min(firstAt, time);
    lastAt = Math.max(lastAt, time);
    add(counts, event, time >= recentFrom);
  }
  const categories = [...counts].map(([category, all]) => ({ category, ...all }));
  const sum = (key: keyof Counts) => categories.reduce((all, one) => all + one[key], 0);
  const isEmpty = categories.length === 0;
  return {
    ...{
      events: sum('events'),
      streams: sum('streams'),
      bytes: sum('bytes'),
      recentBytes: sum('recentBytes'),
    },
    categories: categories.toSorted((a, b) => b.bytes - a.bytes),
    firstAt: isEmpty ? undefined : firstAt,
    lastAt: isEmpty ? undefined : lastAt,
    recentDays: isEmpty ? 0 : Math.max(0, (now - Math.max(firstAt, recentFrom)) / DAY_MS),
    unreadable,
  };
}

function add(counts: Map<string, Counts>, event: RecordedEvent, isRecent: boolean): void {
  const { stream, revision, data, metadata } = event;
  const category = categoryOf(stream);
  const all = counts.get(category) ?? NOTHING();
  const bytes = Buffer.byteLength(JSON.stringify(data)) + Buffer.byteLength(JSON.stringify(metadata));
  counts.set(category, all);
  all.events += 1;
  all.bytes += bytes;
  if (revision === 0) all.streams += 1;
  if (!isRecent) return;
  all.recentBytes += bytes;
  if (revision === 0) all.recentStreams += 1;
}

const NOTHING = (): Counts => ({ streams: 0, events: 0, bytes: 0, recentStreams: 0, recentBytes: 0 });
