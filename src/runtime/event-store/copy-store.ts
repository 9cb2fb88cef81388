/**
 * Copies a history from one event store into another.
 *
 * Guarantees:
 * - ids, types, versions, data, metadata (and so the recorded times) and the order within each stream are kept. Streams
 *   keep their order among each other to within a chunk; positions are the target's own;
 * - nothing is written unless each stream of the target is the beginning of the same stream of the source. An empty target
 *   is that, and so is what an interrupted copy has left, however it ended. Hence a copy needs no mark to be known by:
 *   running it again goes on, and a target with any event of its own is refused before it is touched;
 * - it resolves only after the whole target was read again and holds the source's events, by count and hash per stream, and
 *   the source has not taken more meanwhile.
 *
 * What is no event any more (`RecordedEvent.damage`) is carried over as the bytes that are there, so that nothing is lost and
 * nobody takes it for an event in the copy either.
 *
 * Streams of which the newest event alone counts are no part of a history and stay where they are.
 *
 * In memory it keeps two hashes per stream and one chunk of events.
 */

import { setMaxListeners } from 'node:events';
import { Backoff, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { OwlError, StoreUnavailableError } from '../../base/errors.js';
import { limitConcurrency } from '../../base/limit-concurrency.js';
import { isOwlStream } from './append-check.js';
import {
  categoryOf,
  type EventStore,
  NEWEST_COUNTS,
  type Position,
  type ReadAllOptions,
  type RecordedEvent,
  type StreamName,
} from './event-store.js';
import { Inventory } from './inventory.js';

export interface CopyOptions {
  readonly from: EventStore;
  readonly to: EventStore;
  readonly clock: Clock;
  /** Ends the copy after the appends under way; running it again goes on. */
  readonly signal: AbortSignal;
  /** Called for every event that is read or copied. */
  readonly onProgress: (progress: CopyProgress) => void;
}

export type CopyStep = 'reading the target' | 'reading the source' | 'copying' | 'verifying';

export interface CopyProgress {
  readonly step: CopyStep;
  /** Done in this step. What was there already counts as copied. */
  readonly events: number;
  /** Undefined where nobody knows yet. */
  readonly total: number | undefined;
}

export interface CopyResult {
  readonly streams: number;
  /** In the target, at the end. */
  readonly events: number;
  /** So many of them were there already, from an earlier run. */
  readonly resumedAt: number;
  /** Left out: in streams whose names are none of owl's. */
  readonly foreignEvents: number;
  /** A hash of all streams, in hex; the same history has the same in every store. */
  readonly digest: string;
}

/** Read at once, and then written before more is read. */
const CHUNK_EVENTS = 1_024;
const CHUNK_BYTES = 8 * 1024 * 1024;
/** One append holds no more than this, unless it is one event: a server takes 1 MiB at once where nothing else is set. */
const APPEND_BYTES = 512 * 1024;
const STREAMS_AT_ONCE = 32;
/** A store that answers nothing for so long ends the copy. */
const PATIENCE_MS = 30_000;

/**
 * @throws OwlError kind `refused` when the source is empty, has lost events or takes new ones, when the target holds
 * something else, and when what is in the target at the end is not what the source has; StoreUnavailableError when a store stays away
 */
export async function copyStore(copy: CopyOptions): Promise<CopyResult> {
  const signal = AbortSignal.any([copy.signal]);
  // Each append that waits for a store listens to it.
  setMaxListeners(STREAMS_AT_ONCE + 1, signal);
  const options = { ...copy, signal };
  const { from, to } = options;
  const begin = await from.head();
  const there = await readInventory(to, 'reading the target', undefined, options);
  const { source, foreignEvents } = await readSource(there, options);
  const resumedAt = there.events;
  await copyMissing(source, there, options);
  const result = await readInventory(to, 'verifying', source.events, options);
  const difference = result.differenceFrom(source);
  if (difference !== undefined) throw notGood(difference);
  await checkNothingCame(from, begin);
  return {
    streams: result.streams,
    events: result.events,
    resumedAt,
    foreignEvents,
    digest: result.digest(),
  };
}

/** Without what is no part of a history. */
async function* historyOf(store: EventStore, options?: ReadAllOptions): AsyncGenerator<RecordedEvent> {
  for await (const event of store.readAll(options))
    if (!NEWEST_COUNTS.has(categoryOf(event.stream))) yield event;
}

/** Other programs may go on with streams of their own. */
async function checkNothingCame(from: EventStore, begin: Position): Promise<void> {
  for await (const { stream } of historyOf(from, { after: begin })) {
    if (!isOwlStream(stream)) continue;
    throw new OwlError(
      'refused',
      `the source took events meanwhile, in stream ${stream} for one, so the copy is not whole; stop who writes to it and copy again, which goes on from here`,
    );
  }
}

async function readInventory(
  store: EventStore,
  step: CopyStep,
  total: number | undefined,
  { signal, onProgress }: CopyOptions,
): Promise<Inventory> {
  const inventory = new Inventory();
  onProgress({ step, events: 0, total });
  for await (const event of historyOf(store)) {
    signal.throwIfAborted();
    // What a copy has written has no gaps.
    if (!inventory.continues(event))
      throw step === 'verifying' ? notGood(event.stream) : notEmpty(event.stream);
    inventory.add(event);
    onProgress({ step, events: inventory.events, total });
  }
  return inventory;
}

/** What is to be copied, once it is sure that all that is there is the beginning of it. */
async function readSource(
  there: Inventory,
  { from, signal, onProgress }: CopyOptions,
): Promise<{ readonly source: Inventory; readonly foreignEvents: number }> {
  const step = 'reading the source';
  const source = new Inventory();
  let foreignEvents = 0;
  onProgress({ step, events: 0, total: undefined });
  for await (const event of historyOf(from)) {
    signal.throwIfAborted();
    if (!isOwlStream(event.stream)) {
      foreignEvents += 1;
      continue;
    }
    const { events, digest } = source.add(event);
    const copied = there.of(event.stream);
    if (copied.events === events && copied.digest !== digest) throw notEmpty(event.stream);
    onProgress({ step, events: source.events, total: undefined });
  }
  if (source.events === 0) throw new OwlError('refused', 'the source holds no events; name another one');
  const ownStream = there.streamBeyond(source);
  if (ownStream !== undefined) throw notEmpty(ownStream);
  return { source, foreignEvents };
}

function notEmpty(stream: StreamName): OwlError {
  return new OwlError(
    'refused',
    `the target isn't empty, and stream ${stream} in it is not the beginning of the source's, so this is no copy to go on with; nothing was written, copy to an empty store`,
  );
}

function notGood(stream: StreamName): OwlError {
  return new OwlError(
    'refused',
    `the copy is not good: stream ${stream} is not the same in both stores; don't use the target, copy to an empty store again`,
  );
}

async function copyMissing(source: Inventory, there: Inventory, options: CopyOptions): Promise<void> {
  const { from, signal, onProgress } = options;
  const step = 'copying';
  const total = source.events;
  let events = there.events;
  let chunk = new Chunk();
  const write = async (): Promise<void> => {
    const full = chunk;
    chunk = new Chunk();
    await writeChunk(full, options);
    events += full.events;
    onProgress({ step, events, total });
  };
  onProgress({ step, events, total });
  for await (const event of historyOf(from)) {
    if (events + chunk.events === total) break;
    signal.throwIfAborted();
    const isWanted = event.revision < source.of(event.stream).events;
    if (!isWanted || event.revision < there.of(event.stream).events) continue;
    chunk.add(event);
    if (chunk.isFull) await write();
  }
  if (chunk.events > 0) await write();
}

/** Each stream's events in order, all streams at once; every append has ended, well or not, when this does. */
async function writeChunk(chunk: Chunk, options: CopyOptions): Promise<void> {
  const inTurn = limitConcurrency(STREAMS_AT_ONCE);
  const writes = [...chunk.appends.values()].map((appends) =>
    inTurn(async () => {
      for (const { events } of appends) await append(events, options);
    }),
  );
  const failed = (await Promise.allSettled(writes)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

/** Asks again while the store is away: the ids are the same, so an append that was stored after all changes nothing. */
async function append(events: readonly RecordedEvent[], options: CopyOptions): Promise<void> {
  const { to, clock, signal } = options;
  const [first] = events;
  if (first === undefined) return;
  const expected = first.revision === 0 ? 'noStream' : first.revision - 1;
  const giveUpAt = clock.monotonic() + PATIENCE_MS;
  const backoff = new Backoff({ longestMs: 2_000 });
  for (;;) {
    signal.throwIfAborted();
    try {
      await to.append(first.stream, expected, events, { lastPositionOnly: true });
      return;
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || clock.monotonic() >= giveUpAt) throw error;
      await wait(clock, backoff.next(), signal);
    }
  }
}

interface Append {
  readonly events: RecordedEvent[];
  bytes: number;
}

/** Events on their way, as the appends that they become. */
class Chunk {
  readonly appends = new Map<StreamName, Append[]>();
  events = 0;
  private bytes = 0;

  get isFull(): boolean {
    return this.events >= CHUNK_EVENTS || this.bytes >= CHUNK_BYTES;
  }

  add(event: RecordedEvent): void {
    const bytes = Buffer.byteLength(JSON.stringify(event));
    const appends = this.appends.get(event.stream) ?? [];
    this.appends.set(event.stream, appends);
    const last = appends.at(-1);
    if (last === undefined || last.bytes + bytes > APPEND_BYTES) appends.push({ events: [event], bytes });
    else {
      last.events.push(event);
      last.bytes += bytes;
    }
    this.events += 1;
    this.bytes += bytes;
  }
}
