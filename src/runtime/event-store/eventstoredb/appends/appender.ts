/**
 * Appends, and says of each what became of it.
 *
 * Guarantees beyond the port:
 * - at a revision or at `noStream` the server itself decides, and recognises a repeated append from the stream. For `any`
 *   and `streamExists` it does so only as long as it remembers the events (not after a restart), so the newest
 *   RECOGNISED events of the stream are looked through first;
 * - what another one appends at the same time is found though the server says nothing: it drops an append whose events it
 *   has written and not yet indexed. So while there is no answer, the events are looked for in the stream;
 * - whoever reads the stream after a conflict sees what the conflict was with. The server decides on all that is written,
 *   readers see what is indexed; a conflict is told once they see enough, or when the time for a call is over.
 *
 * The server's answer does not tell a repeated append from a new one, and gives the last event's position only. So an
 * append is marked (`$append` in the events' metadata), and read back where it matters: when it may be a repetition (its
 * position is no newer than what was seen before it was sent; it begins a stream, where two nodes may carry out the same
 * command; an attempt at it, or an append of the same events, had an unknown outcome or was under way beside it) and when
 * somebody wants the positions of several events. What remains: events at a numbered revision, appended by two nodes at nearly
 * the same time, may be told as new to both. Reading everything back would halve the throughput.
 */

import { randomUUID } from 'node:crypto';
import { Backoff } from '../../../../base/backoff.js';
import type { Clock } from '../../../../base/clock.js';
import { OwlError, RevisionConflictError, StoreUnavailableError } from '../../../../base/errors.js';
import { checkAppend } from '../../append-check.js';
import type {
  AppendOptions,
  AppendResult,
  ExpectedRevision,
  Position,
  ProposedEvent,
  StreamName,
} from '../../event-store.js';
import type { Connection } from '../connection/connection.js';
import { encode, type StoredEvent } from '../reads/event-codec.js';
import type { Reader } from '../reads/reader.js';
import type { SentEvents } from '../reads/sent-events.js';
import type { Watermark } from '../reads/watermark.js';
import type { EncodedAppend } from './append-messages.js';
import { conflict, isRepeated, newResult, partlyThere, resultOf, sameEvents } from './append-results.js';
import { AppendSender } from './append-sender.js';
import { LateAnswers } from './late-answers.js';

/** For `any` and `streamExists`, a repeated append is recognised among so many of the stream's newest events. */
const RECOGNISED = 512;
/** Appends of unknown outcome that are remembered, to recognise them when they come again. */
const REMEMBERED = 10_000;
/** Pauses between looks whether readers have come up with the writer, behind which they are by milliseconds usually. */
const CATCH_UP = { firstMs: 10, longestMs: 200 };

interface Append {
  readonly stream: StreamName;
  readonly expected: ExpectedRevision;
  readonly events: readonly ProposedEvent[];
  /** What `$append` says in its events. */
  readonly mark: string;
  readonly encoded: EncodedAppend;
  readonly lastPositionOnly: boolean;
  /** Another append of some of its events is under way, or was when it began. */
  hasTwin: boolean;
}

export interface AppenderParts {
  readonly connection: Connection;
  readonly reader: Reader;
  readonly watermark: Watermark;
  /** Takes note of every event that is sent. */
  readonly sent: SentEvents;
  readonly clock: Clock;
}

export class Appender {
  private readonly connection: Connection;
  private readonly sent: SentEvents;
  private readonly sender: AppendSender;
  private readonly reader: Reader;
  private readonly watermark: Watermark;
  private readonly clock: Clock;
  private readonly lateAnswers: LateAnswers;
  private readonly unknown = new Set<string>();
  /** By event id: the newest append of it that is under way. */
  private readonly underWay = new Map<string, Append>();
  /** Marks this appender's appends; a number follows. */
  private readonly mark = randomUUID().slice(0, 8);
  private appends = 0;

  constructor({ connection, reader, watermark, sent, clock }: AppenderParts) {
    this.connection = connection;
    this.sent = sent;
    this.lateAnswers = new LateAnswers(clock);
    this.sender = new AppendSender(connection, clock);
    this.reader = reader;
    this.watermark = watermark;
    this.clock = clock;
  }

  async append(
    stream: StreamName,
    expected: ExpectedRevision,
    events: readonly ProposedEvent[],
    { lastPositionOnly = false }: AppendOptions = {},
  ): Promise<AppendResult> {
    checkAppend(stream, expected, events);
    checkTypes(stream, events);
    this.appends += 1;
    const mark = `${this.mark}-${this.appends}`;
    const sent = events.map((event) => encode(stream, event, mark));
    const encoded = { stream, expected, events: sent.map(({ wire }) => wire) };
    const append = { stream, expected, events, mark, encoded, lastPositionOnly, hasTwin: false };
    this.begin(append);
    try {
      if (expected === 'any' || expected === 'streamExists') {
        const there = await this.recognise(append);
        if (there !== undefined) return resultOf(there, true);
      }
      for (const event of sent) this.sent.remember(event);
      const result = await this.sendOrFind(append);
      if (this.unknown.size > 0) for (const { id } of events) this.unknown.delete(id);
      this.watermark.raise(result.position);
      return result;
    } finally {
      this.end(append);
    }
  }

  private begin(append: Append): void {
    for (const { id } of append.events) {
      const twin = this.underWay.get(id);
      if (twin !== undefined) {
        twin.hasTwin = true;
        append.hasTwin = true;
      }
      this.underWay.set(id, append);
    }
  }

  private end(append: Append): void {
    for (const { id } of append.events) if (this.underWay.get(id) === append) this.underWay.delete(id);
  }

  /** As the server answers it, or as it is found in the stream if that comes first. */
  private sendOrFind(append: Append): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      const late = this.lateAnswers.expect(async () => {
        // Whatever keeps it from being found, the answer is still to come.
        const there = await this.find(append).catch(() => undefined);
        if (there === undefined || late.isEnded) return;
        this.lateAnswers.end(late, false);
        resolve(resultOf(there, isRepeated(append, there)));
      });
      this.send(append, late).then(
        (result) => {
          this.lateAnswers.end(late, true);
          resolve(result);
        },
        (error) => {
          this.lateAnswers.end(late, error instanceof RevisionConflictError);
          reject(error);
        },
      );
    });
  }

  private async send(append: Append, late: { readonly isEnded: boolean }): Promise<AppendResult> {
    const { stream, expected, encoded } = append;
    const seen = this.watermark.position;
    const { answer, again } = await this.sender.send(encoded, late).catch((error) => {
      if (error instanceof StoreUnavailableError && error.outcome === 'unknown')
        this.rememberUnknown(append.events);
      throw error;
    });
    if (!answer.stored) {
      await this.untilReadable(stream, answer.actual);
      throw conflict(stream, expected, answer.actual);
    }
    return again || this.mayRepeat(append, answer.position, seen)
      ? this.readBack(append, answer.revision)
      : newResult(append, answer.revision, answer.position);
  }

  private async find(append: Append): Promise<readonly StoredEvent[] | undefined> {
    const { expected, events } = append;
    if (expected === 'any' || expected === 'streamExists') return this.recognise(append);
    const there = await this.read(append, expected === 'noStream' ? 0 : expected + 1);
    return sameEvents(events, there) ? there : undefined;
  }

  private async untilReadable(stream: StreamName, revision: number | null): Promise<void> {
    const deadline = this.connection.deadline();
    const backoff = new Backoff(CATCH_UP);
    while (revision !== null && !(await this.isReadable(stream, revision))) {
      const pause = backoff.next();
      if (this.clock.monotonic() + pause >= deadline) return;
      await this.connection.pause(pause);
    }
  }

  /** Also true while the store is away: whoever reads then learns of that. */
  private async isReadable(stream: StreamName, revision: number): Promise<boolean> {
    try {
      const newest = this.reader.readStream(stream, 'backwards', undefined, 1);
      for await (const { event } of newest) return event.revision >= revision;
      return false;
    } catch {
      return true;
    }
  }

  private rememberUnknown(events: readonly ProposedEvent[]): void {
    for (const { id } of events) this.unknown.add(id);
    for (const id of this.unknown) {
      if (this.unknown.size <= REMEMBERED) return;
      this.unknown.delete(id);
    }
  }

  private mayRepeat(append: Append, position: Position | undefined, seen: Position): boolean {
    const { expected, events, hasTwin, lastPositionOnly } = append;
    return (
      position === undefined ||
      position <= seen ||
      hasTwin ||
      (events.length > 1 && !lastPositionOnly) ||
      expected === 'noStream' ||
      (this.unknown.size > 0 && events.some(({ id }) => this.unknown.has(id)))
    );
  }

  private async readBack(append: Append, revision: number): Promise<AppendResult> {
    const { stream, events } = append;
    const stored = await this.read(append, revision - events.length + 1).catch((error) => {
      this.rememberUnknown(events);
      throw new StoreUnavailableError(
        `an append to ${stream} was stored, but could not be read back; send it again to get its answer`,
        'unknown',
        { cause: error },
      );
    });
    if (!sameEvents(events, stored)) throw partlyThere(stream);
    return resultOf(stored, isRepeated(append, stored));
  }

  /** As many events as the append has. */
  private async read({ stream, events }: Append, from: number): Promise<readonly StoredEvent[]> {
    const stored: StoredEvent[] = [];
    for await (const one of this.reader.readStream(stream, 'forwards', from, events.length)) stored.push(one);
    return stored;
  }

  /**
   * The stored events that an append repeats, undefined when all its events are new.
   * @throws OwlError kind `conflict` when only some of them are there, or in another order
   */
  private async recognise({ stream, events }: Append): Promise<readonly StoredEvent[] | undefined> {
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
