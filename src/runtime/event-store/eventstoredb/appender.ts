/**
 * Appends, and says of each what became of it.
 *
 * Guarantees beyond the port:
 * - at a revision or at `noStream` the server itself decides, and recognises a repeated append from the stream. For `any`
 *   and `streamExists` it does so only as long as it remembers the events (not after a restart), so the newest
 *   RECOGNISED events of the stream are looked through first;
 * - when another node leads, the append is sent there. Nothing else is sent again: a refusal is told as `refused`, and what
 *   leaves the outcome open as `unknown`.
 *
 * The server's answer does not tell a repeated append from a new one, and gives the last event's position only. So an
 * append is marked (`$append` in the events' metadata), and read back where it matters: when it may be a repetition (its
 * position is no newer than what was seen before it was sent; it begins a stream, where two nodes may carry out the same
 * command; or an append of the same events had an unknown outcome) and when it has several events. What remains: one
 * event at a numbered revision, appended by two nodes at the same time, is told as new to both. Reading everything
 * back would halve the throughput.
 */

import { randomUUID } from 'node:crypto';
import { Backoff } from '../../backoff.js';
import type { Clock } from '../../clock.js';
import { OwlError, RevisionConflictError, StoreUnavailableError } from '../../errors.js';
import { checkAppend } from '../append-check.js';
import type {
  AppendResult,
  ExpectedRevision,
  Position,
  ProposedEvent,
  RecordedEvent,
  StreamName,
} from '../event-store.js';
import type { EncodedAppend, WriteAnswer } from './append-messages.js';
import { CallError, explain } from './call-error.js';
import type { Connection } from './connection.js';
import { encode, type StoredEvent } from './event-codec.js';
import type { Link } from './link.js';
import type { Reader } from './reader.js';
import { appendSingly } from './single-append.js';
import type { Watermark } from './watermark.js';

/** For `any` and `streamExists`, a repeated append is recognised among so many of the stream's newest events. */
const RECOGNISED = 512;
/** Appends of unknown outcome that are remembered, to recognise them when they come again. */
const REMEMBERED = 10_000;

export class Appender {
  private readonly connection: Connection;
  private readonly reader: Reader;
  private readonly watermark: Watermark;
  private readonly clock: Clock;
  private readonly unknown = new Set<string>();
  /** Marks this appender's appends; a number follows. */
  private readonly mark = randomUUID().slice(0, 8);
  private appends = 0;

  constructor(connection: Connection, reader: Reader, watermark: Watermark, clock: Clock) {
    this.connection = connection;
    this.reader = reader;
    this.watermark = watermark;
    this.clock = clock;
  }

  async append(
    stream: StreamName,
    expected: ExpectedRevision,
    events: readonly ProposedEvent[],
  ): Promise<AppendResult> {
    checkAppend(stream, expected, events);
    checkTypes(stream, events);
    this.appends += 1;
    const append = `${this.mark}-${this.appends}`;
    const encoded = { stream, expected, events: events.map((event) => encode(stream, event, append)) };
    if (expected === 'any' || expected === 'streamExists') {
      const there = await this.recognise(stream, events);
      if (there !== undefined) return resultOf(there, true);
    }
    const seen = this.watermark.position;
    const answer = await this.write(encoded);
    if (!answer.stored) throw conflict(stream, expected, answer.actual);
    const result = this.mayRepeat(expected, events, answer.position, seen)
      ? await this.readBack(stream, events, answer.revision, append)
      : newResult(stream, events, answer.revision, answer.position);
    for (const { id } of events) this.unknown.delete(id);
    this.watermark.raise(result.position);
    return result;
  }

  /** Sends it until it is answered, or failed in a way that sending again could make worse. */
  private async write(append: EncodedAppend): Promise<WriteAnswer> {
    const deadline = this.connection.deadline();
    const backoff = new Backoff();
    for (;;) {
      const link = await this.linkFor(append, deadline);
      try {
        return await this.connection.on(link, () => this.send(link, append, deadline));
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        const pause = backoff.next();
        if (!maySendAgain(append, error) || this.clock.now() + pause >= deadline)
          throw this.failure(append, error);
        await this.connection.pause(pause);
      }
    }
  }

  /** Without a link nothing has been sent. */
  private async linkFor(append: EncodedAppend, deadline: number): Promise<Link> {
    try {
      return await this.connection.link(deadline);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      throw new StoreUnavailableError(
        `EventStoreDB is away, nothing was appended to ${append.stream}: ${explain(error)}`,
        'refused',
        { cause: error },
      );
    }
  }

  private async send(link: Link, append: EncodedAppend, deadline: number): Promise<WriteAnswer> {
    if (link.batches === undefined) return appendSingly(link, append, deadline);
    const overdue = new AbortController();
    const cancelTimer = this.clock.after(deadline - this.clock.now(), () =>
      overdue.abort(new CallError('deadline', 'no answer in time')),
    );
    try {
      return await link.batches.append(append, overdue.signal);
    } finally {
      cancelTimer();
    }
  }

  private failure({ stream, events }: EncodedAppend, error: CallError): OwlError {
    const cause = { cause: error };
    switch (error.kind) {
      case 'streamDeleted':
        return new OwlError(
          'refused',
          `stream ${stream} was deleted for good and takes no more events; use another id`,
          cause,
        );
      case 'tooLarge':
        return new OwlError(
          'invalid',
          `the append to ${stream} is larger than the server takes (${error.message}); append less at once, or raise MaxAppendSize of the server`,
          cause,
        );
      case 'rejected':
        return new OwlError('invalid', `the server rejects the append to ${stream}: ${error.message}`, cause);
      default:
    }
    const { outcome } = error;
    if (outcome === 'unknown') this.rememberUnknown(events.map(({ id }) => id));
    const known =
      outcome === 'unknown' ? 'it is not known whether the append was stored' : 'nothing was appended';
    return new StoreUnavailableError(
      `EventStoreDB failed at ${stream}, ${known}: ${explain(error)}`,
      outcome,
      cause,
    );
  }

  private rememberUnknown(ids: readonly string[]): void {
    for (const id of ids) this.unknown.add(id);
    for (const id of this.unknown) {
      if (this.unknown.size <= REMEMBERED) return;
      this.unknown.delete(id);
    }
  }

  private mayRepeat(
    expected: ExpectedRevision,
    events: readonly ProposedEvent[],
    position: Position | undefined,
    seen: Position,
  ): boolean {
    return (
      position === undefined ||
      position <= seen ||
      events.length > 1 ||
      expected === 'noStream' ||
      events.some(({ id }) => this.unknown.has(id))
    );
  }

  private async readBack(
    stream: StreamName,
    events: readonly ProposedEvent[],
    revision: number,
    append: string,
  ): Promise<AppendResult> {
    const stored: StoredEvent[] = [];
    const first = revision - events.length + 1;
    try {
      for await (const one of this.reader.readStream(stream, 'forwards', first, events.length))
        stored.push(one);
    } catch (error) {
      this.rememberUnknown(events.map(({ id }) => id));
      throw new StoreUnavailableError(
        `an append to ${stream} was stored, but could not be read back; send it again to get its answer`,
        'unknown',
        { cause: error },
      );
    }
    if (!sameEvents(events, stored)) throw partlyThere(stream);
    const duplicate = stored.some((one) => one.append !== append);
    return resultOf(stored, duplicate);
  }

  /**
   * The stored events that an append repeats, undefined when all its events are new.
   * @throws OwlError kind `conflict` when only some of them are there, or in another order
   */
  private async recognise(
    stream: StreamName,
    events: readonly ProposedEvent[],
  ): Promise<readonly StoredEvent[] | undefined> {
    const ids = new Set(events.map(({ id }) => id));
    const there: StoredEvent[] = [];
    for await (const one of this.reader.readStream(stream, 'backwards', undefined, RECOGNISED)) {
      if (ids.has(one.event.id)) there.push(one);
      else if (there.length > 0) break;
    }
    if (there.length === 0) return undefined;
    there.reverse();
    if (!sameEvents(events, there)) throw partlyThere(stream);
    return there;
  }
}

/** A node that doesn't lead has stored nothing; where it may have meant another append, the server recognises this one. */
function maySendAgain({ expected }: EncodedAppend, error: CallError): boolean {
  if (error.kind !== 'notLeader') return false;
  return error.outcome === 'refused' || (expected !== 'any' && expected !== 'streamExists');
}

function checkTypes(stream: StreamName, events: readonly ProposedEvent[]): void {
  for (const { type } of events) {
    if (type.startsWith('$')) {
      throw new OwlError(
        'invalid',
        `event ${type} for ${stream}: in EventStoreDB, types that begin with $ are the server's own; use another name`,
      );
    }
  }
}

function sameEvents(proposed: readonly ProposedEvent[], stored: readonly StoredEvent[]): boolean {
  return proposed.length === stored.length && proposed.every(({ id }, i) => id === stored[i]?.event.id);
}

function newResult(
  stream: StreamName,
  events: readonly ProposedEvent[],
  revision: number,
  position: Position | undefined,
): AppendResult {
  const [event] = events;
  if (event === undefined || position === undefined) {
    throw new TypeError('an append of several events, or without a position, must be read back');
  }
  return resultOf([{ event: { ...event, stream, revision, position }, append: undefined }], false);
}

function resultOf(stored: readonly StoredEvent[], duplicate: boolean): AppendResult {
  const events: readonly RecordedEvent[] = stored.map(({ event }) => event);
  const last = events.at(-1);
  if (last === undefined) throw new TypeError('an append has at least one event');
  return { revision: last.revision, position: last.position, events, duplicate };
}

function conflict(stream: StreamName, expected: ExpectedRevision, actual: number | null): OwlError {
  return expected === 'any' ? partlyThere(stream) : new RevisionConflictError(stream, expected, actual);
}

function partlyThere(stream: StreamName): OwlError {
  return new OwlError(
    'conflict',
    `stream ${stream} already holds some of these events, but not all in this order; read it and decide again`,
  );
}
