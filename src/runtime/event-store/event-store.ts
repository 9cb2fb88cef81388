/**
 * The event store port: what the runtime asks of a store, and all it knows about one. Every adapter must pass
 * `test/contract/event-store.ts` unchanged.
 *
 * Guarantees of every adapter:
 * - an append is atomic and durable before it resolves, and is stored only if the stream is at the expected revision;
 * - the same events (by id) appended again at the same expectation change nothing and get the first answer;
 * - revisions of a stream count 0, 1, 2 … without a hole; positions grow strictly over the whole store;
 * - a subscription gives every event after its start exactly once, in order of position, with no gap and no duplicate
 *   where catching up meets live;
 * - what others have put in the place of an event, or made of one, stops no reader: it is given with `damage`, and its bytes
 *   as its data. Whether an event is there (`holds`) and where the store ends is told without looking into any.
 */

/** Lists and objects in event data are nobody's to change: the store, its subscribers and the machine share them. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Where an event stands in the whole store. Opaque, except that positions of one store sort as strings do:
 * `a < b` exactly when a's event came before b's. `START` is before everything.
 */
export type Position = string;
export const START: Position = '';

/** `<category>-<id>`; the category holds no dash, the id may. */
export type StreamName = string;

/**
 * What the stream must look like for an append to be stored: a number is the revision of its last event; `noStream` is
 * an empty stream; `streamExists` has at least one event; `any` checks nothing.
 */
export type ExpectedRevision = number | 'any' | 'noStream' | 'streamExists';

export interface EventMetadata {
  /** When it was decided, in milliseconds since the Unix epoch. Travels with the event, whichever store holds it. */
  readonly time: number;
  /** The conversation this belongs to. */
  readonly $correlationId: string;
  /** The command, or the event, that caused it. */
  readonly $causationId: string;
  /** Set when the sender named its command, so that a retry is recognised (rule 3 of the architecture). */
  readonly commandId?: string;
  /** What an order asked for, `<name>/<digest of the rest>`: the same id is the same order only with the same of this. */
  readonly asked?: string;
  /** What a command with an id was answered beside its events; on the last of them. Repeated, the command is answered the same. */
  readonly answer?: Readonly<JsonObject>;
  /** The kind of peer and its address or id, for auditors. */
  readonly by?: string;
}

export interface ProposedEvent {
  /** A UUID. Equal ids are the same event. */
  readonly id: string;
  readonly type: string;
  /** Version of the type's schema, from 1. */
  readonly version: number;
  /** Nobody's to change: sender, store and all who follow share it. */
  readonly data: Readonly<JsonObject>;
  readonly metadata: EventMetadata;
}

export interface RecordedEvent extends ProposedEvent {
  readonly stream: StreamName;
  /** 0-based, within the stream. */
  readonly revision: number;
  readonly position: Position;
  /** Why this is no event to go by, although it stands in the place of one: nobody may take its data for what it says. */
  readonly damage?: string;
}

/**
 * Type of what a subscription by categories gives, with `damage`, where somebody has deleted a stream of theirs or cut off its
 * beginning, and that still is so. Nobody can append it. Its revision is 0, the first one that is missing.
 */
export const CUT_OFF = '$cut-off';

/**
 * Type of the event that the runtime stores of an order which was accepted and changed nothing, so that it is not forgotten. It
 * has no data and may come in any stream, whichever state its actor is in.
 */
export const ORDER_ACCEPTED = 'OrderAccepted';

/**
 * Categories of which the newest event of a stream says all there is, so that older ones may be gone. They are no part of a history:
 * they are not copied, and nobody misses any.
 */
export const NEWEST_COUNTS: ReadonlySet<string> = new Set(['owl_loop']);

/** Enough of an event to find it in the store, and to see that it is this one. */
export interface EventPlace {
  readonly position: Position;
  readonly stream: StreamName;
  readonly revision: number;
  readonly id: string;
}

export interface AppendResult {
  /** Revision and position of the last event of the append. */
  readonly revision: number;
  readonly position: Position;
  /** The events as they now stand in the stream. */
  readonly events: readonly RecordedEvent[];
  /** True when the store already held these events and wrote nothing. */
  readonly duplicate: boolean;
}

export interface AppendOptions {
  /**
   * Of several events nobody needs the positions but the last one's: a store that is told of that one alone gives it for all of
   * them, instead of reading back what it has just sent. Default false.
   */
  readonly lastPositionOnly?: boolean;
  /**
   * Of this stream so many of the newest events are ever wanted: a store that many nodes write to may let go of those before. Only for
   * streams of `NEWEST_COUNTS`. Default: all of them stay.
   */
  readonly keepNewest?: number;
}

export interface ReadStreamOptions {
  /** Default `forwards`. */
  readonly direction?: 'forwards' | 'backwards';
  /** First revision to give, inclusive. Default: the stream's first (forwards) or last (backwards) event. */
  readonly from?: number;
  /** At most so many events. Default: no limit. */
  readonly limit?: number;
}

export interface ReadAllOptions {
  /** Events strictly after this position. Default `START`. */
  readonly after?: Position;
  /** Only streams of these categories. Default: all. */
  readonly categories?: readonly string[];
  readonly limit?: number;
}

export interface SubscribeOptions extends Omit<ReadAllOptions, 'limit'> {
  /** Ends the subscription: the iteration finishes without an error. */
  readonly signal?: AbortSignal;
  /** Upper bound for the events of one batch. Default 512. */
  readonly batchSize?: number;
}

/** What a subscription gives: some events, or none where only the checkpoint moved on. */
export interface SubscriptionBatch {
  readonly events: readonly RecordedEvent[];
  /** Everything up to here was given or did not match: resume after it. Moves also while nothing matches. */
  readonly checkpoint: Position;
  /** True when this batch reached the end of the store as it was when the batch was made. */
  readonly caughtUp: boolean;
  /** True for the first one after the store was away: it may be another store by now, or an older copy of this one. */
  readonly resumed?: boolean;
}

/** What is kept under a name in the place of what was there before. */
export interface Mark {
  /** Counts what was written under the name: tells whether another was faster. */
  readonly revision: number;
  /** Undefined where what is there can't be read. */
  readonly value: JsonObject | undefined;
}

/**
 * Where those who follow the store say how far they are, for all nodes of it. Marks are no events: nothing that reads events gives
 * them, and `head` does not move with them. A copy of the store's events has none.
 */
export interface Marks {
  /** The newest under this name; undefined where there is none. @throws StoreUnavailableError */
  read(name: string): Promise<Mark | undefined>;
  /**
   * Writes one in the place of what was read.
   * @returns false when another has been written meanwhile, which stays
   * @throws StoreUnavailableError when it is not known to be written; OwlError when the store refuses it
   */
  write(name: string, value: JsonObject, instead: Mark | undefined): Promise<boolean>;
}

export interface EventStore {
  /** A store without it keeps none. */
  readonly marks?: Marks | undefined;
  /** An append at `noStream` is a conflict also where somebody has deleted all of the stream. Left out: reading alone tells. */
  readonly knowsAllStreams?: boolean | undefined;
  /**
   * @param events one or many of one stream, stored together or not at all
   * @throws RevisionConflictError not stored: the stream was elsewhere
   * @throws StoreUnavailableError outcome `refused` (not stored) or `unknown` (may be stored)
   * @throws OwlError kind `invalid` for an empty append, a bad stream name or an event that can't be encoded
   */
  append(
    stream: StreamName,
    expected: ExpectedRevision,
    events: readonly ProposedEvent[],
    options?: AppendOptions,
  ): Promise<AppendResult>;
  /**
   * Gives nothing for a stream that never held anything.
   * @throws DamagedStreamError for one of which everything was deleted
   */
  readStream(stream: StreamName, options?: ReadStreamOptions): AsyncIterable<RecordedEvent>;
  readAll(options?: ReadAllOptions): AsyncIterable<RecordedEvent>;
  /** Catches up from `after`, then goes on live until the signal aborts or the store closes. Pull: a slow reader slows nobody. */
  subscribe(options?: SubscribeOptions): AsyncIterable<SubscriptionBatch>;
  /**
   * Whether this event is where it was, whatever its content. Also true when its stream was deleted or cut off there since: what
   * is missing then was in this store.
   * @throws StoreUnavailableError
   */
  holds(event: EventPlace): Promise<boolean>;
  /** The position of the last event in the store; `START` while it is empty. */
  head(): Promise<Position>;
  /**
   * How much of the log up to `end` lies up to `position`: 0 at `START`, more the later the position is, 1 from `end` on.
   * Measured along the log, where what is no event of owl's takes room as well. Asks nobody, so it answers while the store
   * is away or closed. Undefined for what is no position of this store.
   */
  shareOf(position: Position, end: Position): number | undefined;
  /** Waits for appends under way, ends all subscriptions, releases everything. */
  close(): Promise<void>;
}

/** @throws OwlError kind `invalid` unless `category` is letters, digits and `_`, and `id` is non-empty printable text */
export function streamName(category: string, id: string): StreamName {
  return `${category}-${id}`;
}

/** The category of a stream name: what stands before its first dash. */
export function categoryOf(stream: StreamName): string {
  const dash = stream.indexOf('-');
  return dash < 0 ? stream : stream.slice(0, dash);
}

/** What stands behind the first dash. */
export function idOf(stream: StreamName): string {
  return stream.slice(stream.indexOf('-') + 1);
}
