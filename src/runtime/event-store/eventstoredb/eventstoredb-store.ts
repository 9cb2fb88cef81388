/**
 * The event store of a fleet: the port of event-store.ts on EventStoreDB, one node or a cluster.
 *
 * Guarantees beyond the port:
 * - every call has a deadline, and says in its error whether anything was stored;
 * - a read goes on over a lost connection, a change of leader and a busy server as long as its deadline allows; a
 *   subscription does so for ever, from where it was, with nothing missing and nothing twice;
 * - all calls are answered by the leader, so that what was written is read;
 * - a stream that somebody deleted is no empty one: reading it says so, and a subscription tells of it; apart from that,
 *   records of the server itself never come through.
 */

import type { Logger } from 'pino';
import { Backoff } from '../../../base/backoff.js';
import { type Clock, systemClock } from '../../../base/clock.js';
import { DamagedStreamError, messageOf } from '../../../base/errors.js';
import {
  type AppendOptions,
  type AppendResult,
  CUT_OFF,
  type EventPlace,
  type EventStore,
  type ExpectedRevision,
  type Position,
  type ProposedEvent,
  type ReadAllOptions,
  type ReadStreamOptions,
  type RecordedEvent,
  START,
  type StreamName,
  type SubscribeOptions,
  type SubscriptionBatch,
} from '../event-store.js';
import { checkCount } from '../read-check.js';
import { Appender } from './appends/appender.js';
import { CallError, explain, unavailable } from './connection/call-error.js';
import { type Availability, Connection, closedError } from './connection/connection.js';
import { parseConnectionString } from './connection/connection-string.js';
import { loadSecurity } from './connection/security.js';
import { EventStoreDbMarks } from './marks.js';
import { keepNewest } from './own-records.js';
import { Feed, type FeedContext, type FeedOptions } from './reads/feed.js';
import { parsePosition, shareOf } from './reads/positions.js';
import { filterOf } from './reads/read-requests.js';
import { type CutOff, Reader } from './reads/reader.js';
import { SentEvents } from './reads/sent-events.js';
import { Watermark } from './reads/watermark.js';

export interface EventStoreDbOptions {
  /** `esdb://[user:password@]host[:port][,host…][?option=value&…]`, see connection-string.ts. */
  readonly connectionString: string;
  /** Path of a file whose first line is `user:password`; used instead of what the connection string says. */
  readonly credentialsFile?: string;
  readonly logger: Logger;
  /** Default the system's. It must run in real time, since gRPC's deadlines do. */
  readonly clock?: Clock;
  /** Milliseconds for one call. Default `defaultDeadline` of the connection string, or else 5,000. */
  readonly deadlineMs?: number;
  /** Hears when the store goes away and when it is back; the first connection is told as well. */
  readonly onAvailability?: (availability: Availability) => void;
}

/** Milliseconds for one call, where nothing else is said. */
export const DEFAULT_DEADLINE_MS = 5_000;
const BATCH = 512;
/** A store that was away is noticed within seconds of its return, however long that took. */
const LONGEST_PAUSE_MS = 2_000;

/**
 * Checks the settings and the files they name. The first connection is made by the first call, so that a service can start
 * while the store is away.
 * @throws OwlError kind `invalid`
 */
export async function openEventStoreDb(options: EventStoreDbOptions): Promise<EventStoreDbStore> {
  const { connectionString, credentialsFile, logger, clock = systemClock } = options;
  const settings = parseConnectionString(connectionString);
  await loadSecurity(settings, credentialsFile);
  if (!settings.tls && (settings.credentials !== undefined || credentialsFile !== undefined)) {
    logger.warn('credentials for EventStoreDB are not sent, because the connection has no TLS (tls=false)');
  }
  const connection = new Connection({
    settings,
    credentialsFile,
    logger,
    clock,
    deadlineMs: options.deadlineMs ?? settings.deadlineMs ?? DEFAULT_DEADLINE_MS,
    onAvailability: options.onAvailability ?? (() => {}),
  });
  return new EventStoreDbStore(connection, logger, clock);
}

export class EventStoreDbStore implements EventStore {
  readonly marks: EventStoreDbMarks;
  private readonly connection: Connection;
  private readonly logger: Logger;
  private readonly clock: Clock;
  private readonly reader: Reader;
  private readonly appender: Appender;
  private readonly watermark = new Watermark();
  private readonly sent = new SentEvents();
  private readonly appends = new Set<Promise<unknown>>();
  /** Streams of which the server was told how much to keep. */
  private readonly limited = new Set<StreamName>();
  private closing: Promise<void> | undefined;

  /** @param connection closed with the store */
  constructor(connection: Connection, logger: Logger, clock: Clock) {
    this.connection = connection;
    this.logger = logger;
    this.clock = clock;
    this.marks = new EventStoreDbMarks(connection, clock, () => this.checkOpen());
    this.reader = new Reader(connection, this.watermark);
    const { reader, watermark, sent } = this;
    this.appender = new Appender({ connection, reader, watermark, sent, clock });
  }

  async append(
    stream: StreamName,
    expected: ExpectedRevision,
    events: readonly ProposedEvent[],
    options?: AppendOptions,
  ): Promise<AppendResult> {
    this.checkOpen();
    const append = this.appender.append(stream, expected, events, options);
    this.appends.add(append);
    try {
      const appended = await append;
      if (options?.keepNewest !== undefined) await this.limit(stream, options.keepNewest);
      return appended;
    } finally {
      this.appends.delete(append);
    }
  }

  /** Behind its first event: a stream that has limits and no event looks like one that was deleted. */
  private async limit(stream: StreamName, newest: number): Promise<void> {
    if (this.limited.has(stream)) return;
    this.limited.add(stream);
    await keepNewest(this.connection, stream, newest).catch((error) => {
      // Nothing rests on it, and the next append tries again.
      this.limited.delete(stream);
      this.logger.warn(
        { stream, reason: messageOf(error) },
        'EventStoreDB keeps more of a stream than is needed',
      );
    });
  }

  async *readStream(stream: StreamName, options: ReadStreamOptions = {}): AsyncGenerator<RecordedEvent> {
    const { direction = 'forwards' } = options;
    const from = options.from === undefined ? undefined : checkCount('from', options.from, 0);
    const limit = checkCount('limit', options.limit ?? Number.MAX_SAFE_INTEGER, 0);
    this.checkOpen();
    let given = false;
    let isFound = true;
    const notFound = () => {
      isFound = false;
    };
    for await (const { event } of this.reader.readStream(stream, direction, from, limit, notFound)) {
      given = true;
      yield event;
    }
    // Behind its end every stream gives nothing.
    if (given || limit === 0 || (direction === 'forwards' && from !== undefined && from > 0)) return;
    const cut = await this.reader.cutOff(stream, isFound);
    if (cut !== undefined) throw new DamagedStreamError(stream, 0, cutOffMessage(stream, cut));
  }

  /** Reads up to where the store ended when it began, through a subscription: that tells how far it is even if nothing matches. */
  async *readAll(options: ReadAllOptions = {}): AsyncGenerator<RecordedEvent> {
    let after = checkPosition(options.after);
    let left = checkCount('limit', options.limit ?? Number.MAX_SAFE_INTEGER, 0);
    this.checkOpen();
    const end = await this.reader.head();
    const filter = filterOf(options.categories);
    const backoff = new Backoff({ longestMs: LONGEST_PAUSE_MS });
    let giveUpAt = this.connection.deadline();
    while (left > 0 && after < end) {
      try {
        for await (const batch of this.follow({ after, filter, batchSize: BATCH }, this.connection.closed)) {
          giveUpAt = this.connection.deadline();
          for (const event of batch.events) {
            if (event.type === CUT_OFF) continue;
            if (event.position > end || left === 0) return;
            yield event;
            left -= 1;
          }
          after = batch.checkpoint;
          if (left === 0 || after >= end) return;
        }
        throw closedError();
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        const pause = backoff.next();
        if (!error.passing || this.clock.monotonic() + pause >= giveUpAt)
          throw unavailable('read all events', error);
        await this.connection.pause(pause);
      }
    }
  }

  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<SubscriptionBatch> {
    const batchSize = checkCount('batchSize', options.batchSize ?? BATCH, 1);
    let after = checkPosition(options.after);
    const filter = filterOf(options.categories);
    const closed = this.connection.closed;
    const signal = options.signal === undefined ? closed : AbortSignal.any([options.signal, closed]);
    const backoff = new Backoff({ longestMs: LONGEST_PAUSE_MS });
    let interrupted = false;
    while (!signal.aborted) {
      try {
        for await (const batch of this.follow({ after, filter, batchSize }, signal)) {
          const given = await this.withoutUndone(batch);
          backoff.reset();
          after = batch.checkpoint;
          yield interrupted ? { ...given, resumed: true } : given;
          interrupted = false;
        }
        return;
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        if (signal.aborted) return;
        interrupted = true;
        const pause = backoff.next();
        this.logger.warn(
          { reason: explain(error), after, retryInMs: Math.round(pause) },
          'subscription to EventStoreDB interrupted',
        );
        await this.connection.pause(pause, signal);
      }
    }
  }

  async holds(event: EventPlace): Promise<boolean> {
    this.checkOpen();
    return this.reader.holds(event);
  }

  async head(): Promise<Position> {
    this.checkOpen();
    return this.reader.head();
  }

  shareOf(position: Position, end: Position): number | undefined {
    return shareOf(position, end);
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  /**
   * The batches of one subscription on the server, until it breaks or the signal aborts.
   * @throws CallError; OwlError kind `invalid` when the store can't go on from the position
   */
  private async *follow(options: FeedOptions, signal: AbortSignal): AsyncGenerator<SubscriptionBatch> {
    const { connection, reader, watermark, sent, clock } = this;
    const link = await connection.link(connection.deadline(), signal);
    const context: FeedContext = { connection, reader, watermark, sent, clock };
    const feed = await Feed.open(context, link, options);
    const end = () => feed.close();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    try {
      for (let batch = await feed.next(); batch !== undefined; batch = await feed.next()) yield batch;
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }

  /**
   * Leaves out what once cut off a stream that is whole again, or of which nothing was cut off so far.
   * @throws CallError when that can't be found out now
   */
  private async withoutUndone(batch: SubscriptionBatch): Promise<SubscriptionBatch> {
    if (!batch.events.some(({ type }) => type === CUT_OFF)) return batch;
    const events: RecordedEvent[] = [];
    for (const event of batch.events) {
      if (event.type !== CUT_OFF) {
        events.push(event);
        continue;
      }
      const { stream } = event;
      const cut = await this.reader.cutOff(stream).catch((error) => {
        throw new CallError('lost', messageOf(error), { cause: error });
      });
      if (cut !== undefined) events.push({ ...event, damage: cutOffMessage(stream, cut) });
    }
    return { ...batch, events };
  }

  private async shutDown(): Promise<void> {
    await Promise.allSettled(this.appends);
    this.connection.close();
  }

  private checkOpen(): void {
    if (this.closing !== undefined) throw closedError();
  }
}

function cutOffMessage(stream: StreamName, { problem }: CutOff): string {
  return `stream ${stream} is not whole: ${problem} by somebody, so nothing more can be recorded in it; undo that in EventStoreDB while its events are still there and rebuild the read models, or go on under another id`;
}

function checkPosition(after: Position = START): Position {
  parsePosition(after);
  return after;
}
