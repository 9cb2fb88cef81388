/**
 * Reads, a page per call, each with a deadline of its own. A page that fails for a passing reason is read again, perhaps
 * from another node.
 */

import { DamagedStreamError } from '../../../../base/errors.js';
import { type EventPlace, type Position, START, type StreamName } from '../../event-store.js';
import { callErrorOf } from '../connection/call-error.js';
import { consume } from '../connection/calls.js';
import type { Connection } from '../connection/connection.js';
import type { Link } from '../connection/link.js';
import type { streams } from '../connection/protocol.js';
import {
  decode,
  isSystemRecord,
  limits,
  metadataStreamOf,
  objectIn,
  type StoredEvent,
} from './event-codec.js';
import {
  type Filter,
  NO_SYSTEM_EVENTS,
  type PageRead,
  readAllRequest,
  readStreamRequest,
} from './read-requests.js';
import type { Watermark } from './watermark.js';

export type Direction = 'forwards' | 'backwards';

/** Events of one page. */
const PAGE = 512;
/** A page ends early after so many bytes, so that large events don't pile up in memory. */
const PAGE_BYTES = 4 * 1024 * 1024;

/** So many of the newest records are looked at for the last event before the server is to search for it. */
const NEWEST = 16;

/** Where the log of the server ends. */
export interface LogEnd {
  /** The position of the last event; START where there is none. */
  readonly head: Position;
  /** That of the last record, the server's own among them. */
  readonly last: Position;
}

const EMPTY_LOG: LogEnd = { head: START, last: START };

/** What somebody has made of a stream. */
export interface CutOff {
  /** Without who and what to do. */
  readonly problem: string;
  /** Revisions below are missing. */
  readonly before: number;
}

interface FoundRecord {
  readonly position: Position;
  readonly id: string | undefined;
  readonly revision: number;
  readonly isSystem: boolean;
}

interface Page {
  readonly events: readonly StoredEvent[];
  /** Revision to go on from; undefined at the end of the stream. */
  readonly next: number | undefined;
  /** Why there is nothing in it, and no stream to be found; undefined where there is one. */
  readonly missing: 'tombstone' | 'notFound' | undefined;
}

const NOT_FOUND: Page = { events: [], next: undefined, missing: 'notFound' };

export class Reader {
  private readonly connection: Connection;
  private readonly watermark: Watermark;
  /** The end as it was found last, with the id of its record: another history may have one at the same position. */
  private known: (LogEnd & { readonly id: string | undefined }) | undefined;

  constructor(connection: Connection, watermark: Watermark) {
    this.connection = connection;
    this.watermark = watermark;
  }

  /**
   * Gives nothing for a stream that is deleted; `cutOff` says what is the matter with it.
   * @param from the first revision to give; undefined stands for the stream's first or last event
   * @param notFound told when the server finds no such stream
   * @throws StoreUnavailableError; DamagedStreamError when it is deleted while it is read
   */
  async *readStream(
    stream: StreamName,
    direction: Direction,
    from: number | undefined,
    limit: number,
    notFound: () => void = () => undefined,
  ): AsyncGenerator<StoredEvent> {
    let next = from;
    let left = limit;
    while (left > 0) {
      const start = next;
      const count = Math.min(left, PAGE);
      const page = await this.connection.repeat(`read the stream ${stream}`, (link, deadline) =>
        readPage(link, { stream, direction, from: start, count }, deadline),
      );
      if (page.missing !== undefined && start !== from) throw vanished(stream, start ?? 0);
      if (page.missing === 'notFound') notFound();
      for (const { event } of page.events) this.watermark.raise(event.position);
      yield* page.events;
      if (page.next === undefined) return;
      left -= page.events.length;
      next = page.next;
    }
  }

  /**
   * What the stream lacks of its beginning; undefined while it is whole, and for one that never was.
   * @param isFound false where the server has just said that it isn't, which need not be asked again
   * @throws StoreUnavailableError
   */
  cutOff(stream: StreamName, isFound = true): Promise<CutOff | undefined> {
    return this.connection.repeat(`tell whether the stream ${stream} is whole`, async (link, deadline) => {
      const first: PageRead = { stream, direction: 'forwards', from: undefined, count: 1 };
      const { events, missing } = isFound ? await readPage(link, first, deadline) : NOT_FOUND;
      if (missing === 'tombstone') return { problem: 'it was deleted for good', before: Infinity };
      const before = events[0]?.event.revision;
      if (before === 0) return undefined;
      if (before !== undefined)
        return { problem: `its events before revision ${before} were cut off`, before };
      if (missing === undefined) return { problem: 'all of its events were cut off', before: Infinity };
      const isLimited = await hasLimits(link, stream, deadline);
      return isLimited ? { problem: 'it was deleted', before: Infinity } : undefined;
    });
  }

  /**
   * See `EventStore.holds`. Looks into no event.
   * @throws StoreUnavailableError
   */
  async holds({ stream, revision, id, position }: EventPlace): Promise<boolean> {
    const request = readStreamRequest({ stream, direction: 'forwards', from: revision, count: 1 });
    const found = await this.connection.repeat(`read the stream ${stream}`, async (link, deadline) => {
      let first: FoundRecord | undefined;
      await eachRecord(link, request, deadline, (record) => {
        first = record;
        return false;
      }).catch(ignoreTombstone);
      return first;
    });
    if (found?.revision === revision) return found.id === id && found.position === position;
    const cut = await this.cutOff(stream);
    return cut !== undefined && revision < cut.before;
  }

  /** The position of the last event in the store. */
  async head(): Promise<Position> {
    const position = await this.connection.repeat('tell its last event', (link, deadline) =>
      this.headOn(link, deadline),
    );
    this.watermark.raise(position);
    return position;
  }

  /**
   * @param deadline in running time
   * @throws CallError
   */
  async headOn(link: Link, deadline: number): Promise<Position> {
    return (await this.endOn(link, deadline)).head;
  }

  /**
   * Where the log ends. Behind the last event there may be any number of records of the server's own, statistics for
   * instance, which are searched only as far as that wasn't done before.
   * @throws CallError
   */
  async endOn(link: Link, deadline: number): Promise<LogEnd> {
    const { known } = this;
    let last: FoundRecord | undefined;
    let head: Position | undefined;
    const newest = readAllRequest({ direction: 'backwards', count: NEWEST });
    await eachRecord(link, newest, deadline, (found) => {
      last ??= found;
      if (!found.isSystem) head = found.position;
      // Behind it nothing has come since, or it would have been found before.
      else if (known !== undefined && found.id === known.id && found.position === known.last)
        head = known.head;
      return head === undefined;
    });
    if (last === undefined) return EMPTY_LOG;
    head ??= await lastEvent(link, deadline);
    this.known = { head, last: last.position, id: last.id };
    return this.known;
  }

  /**
   * The position of the last record before `position`, of whatever kind; START when there is none.
   * @throws CallError
   */
  async before(link: Link, position: Position, deadline: number): Promise<Position> {
    const request = readAllRequest({ direction: 'backwards', count: 1, from: position });
    return (await firstRecord(link, request, deadline, () => true)) ?? START;
  }

  /**
   * The position of the first record after `after` that the filter lets pass; undefined when there is none.
   * @throws CallError
   */
  firstAfter(link: Link, after: Position, filter: Filter, deadline: number): Promise<Position | undefined> {
    // The read begins with the record at `after` itself, if the filter lets it pass.
    const request = readAllRequest({ direction: 'forwards', count: 2, from: after, filter });
    return firstRecord(link, request, deadline, (position) => position > after);
  }
}

async function lastEvent(link: Link, deadline: number): Promise<Position> {
  const request = readAllRequest({ direction: 'backwards', count: 1, filter: NO_SYSTEM_EVENTS });
  return (await firstRecord(link, request, deadline, () => true)) ?? START;
}

async function firstRecord(
  link: Link,
  request: streams.ReadReq,
  deadline: number,
  wanted: (position: Position) => boolean,
): Promise<Position | undefined> {
  let first: Position | undefined;
  await eachRecord(link, request, deadline, ({ position }) => {
    if (wanted(position)) first = position;
    return first === undefined;
  });
  return first;
}

/** Hands what a read finds to `take` until it answers false. */
function eachRecord(
  link: Link,
  request: streams.ReadReq,
  deadline: number,
  take: (found: FoundRecord) => boolean,
): Promise<void> {
  return consume(link.read(request, deadline), link.closed, (message) => {
    if (message.kind !== 'record' || message.record.position === undefined) return true;
    const { position, id, revision } = message.record;
    return take({ position, id, revision, isSystem: isSystemRecord(message.record) });
  });
}

async function readPage(link: Link, read: PageRead, deadline: number): Promise<Page> {
  const events: StoredEvent[] = [];
  let records = 0;
  let bytes = 0;
  let last = 0;
  let missing: Page['missing'];
  try {
    await consume(link.read(readStreamRequest(read), deadline), link.closed, (message) => {
      if (message.kind === 'notFound') missing = 'notFound';
      if (message.kind !== 'record') return true;
      const { record } = message;
      records += 1;
      last = record.revision;
      if (isSystemRecord(record)) return true;
      bytes += record.data.length + record.metadata.length;
      events.push(decode(record));
      return bytes < PAGE_BYTES;
    });
  } catch (error) {
    ignoreTombstone(error);
    missing = 'tombstone';
  }
  const more = records >= read.count || bytes >= PAGE_BYTES;
  const next = read.direction === 'forwards' ? last + 1 : last - 1;
  return { events, next: more && records > 0 && next >= 0 ? next : undefined, missing };
}

async function hasLimits(link: Link, stream: StreamName, deadline: number): Promise<boolean> {
  const request = readStreamRequest({
    stream: metadataStreamOf(stream),
    direction: 'backwards',
    from: undefined,
    count: 1,
  });
  let limited = false;
  await consume(link.read(request, deadline), link.closed, (message) => {
    const metadata = message.kind === 'record' ? objectIn(message.record.data) : undefined;
    if (metadata !== undefined) limited = limits(metadata);
    return true;
  });
  return limited;
}

function vanished(stream: StreamName, revision: number): DamagedStreamError {
  return new DamagedStreamError(
    stream,
    revision,
    `stream ${stream} was deleted by somebody while it was read; nothing more can be recorded in it`,
  );
}

/** A stream with a tombstone holds nothing. */
function ignoreTombstone(error: unknown): void {
  if (!(callErrorOf(error).kind === 'streamDeleted')) throw error;
}
