/**
 * Reads everything that a store holds and says what is wrong with it, by stream and revision.
 *
 * Guarantees: every event is read twice, in the order of positions and by its stream, up to where the store ended at the
 * start; so each is decoded, and compared with its checksum if it has one. Found are events that can't be read or are not
 * what was written, streams that lack revisions or have one twice, an event id twice in a stream, positions that do not
 * grow, and streams that read differently the one way and the other. Nothing is changed, and others may write meanwhile. Of streams of
 * which the newest event counts none is missed.
 *
 * In memory it keeps a count and a hash per stream, and the ids of one stream.
 */

import { hash } from 'node:crypto';
import { DamagedStreamError, messageOf } from '../../base/errors.js';
import { isOwlStream } from './append-check.js';
import { canonicalJson } from './canonical.js';
import {
  CUT_OFF,
  categoryOf,
  NEWEST_COUNTS,
  type Position,
  type RecordedEvent,
  START,
  type StreamName,
} from './event-store.js';

/** What is wrong at one place. What is not known of the place is left out. */
export interface StoreProblem {
  readonly stream?: StreamName;
  readonly revision?: number;
  readonly position?: Position;
  readonly problem: string;
}

/** A place in the order of positions where no event can be read. */
export interface Unreadable {
  readonly unreadable: StoreProblem;
}

/** A store as it is read for this: nothing that is wrong with it may end the reading. */
export interface CheckedStore {
  readAll(): AsyncIterable<RecordedEvent | Unreadable>;
  /** The events of the stream's first revisions. */
  readStream(stream: StreamName, limit: number): AsyncIterable<RecordedEvent>;
  /** What else there is to look at: tables, indexes. */
  others(): AsyncIterable<StoreProblem>;
}

export interface CheckOptions {
  readonly store: CheckedStore;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: CheckProgress) => void;
  readonly onProblem: (problem: StoreProblem) => Promise<void>;
}

export interface CheckProgress {
  readonly step: 'reading all events' | 'reading each stream' | 'looking at tables and indexes';
  readonly events: number;
  readonly total: number | undefined;
}

export interface CheckResult {
  readonly events: number;
  readonly streams: number;
  /** In streams whose names are none of owl's; they are not looked at. */
  readonly foreignEvents: number;
  readonly problems: number;
}

interface Seen {
  events: number;
  next: number;
  digest: string;
  problems: number;
}

/** @throws StoreUnavailableError when a store stays away, and what aborts the signal */
export function checkStore(options: CheckOptions): Promise<CheckResult> {
  return new Check(options).run();
}

class Check {
  private readonly options: CheckOptions;
  private readonly streams = new Map<StreamName, Seen>();
  private problems = 0;
  private events = 0;
  private foreignEvents = 0;

  constructor(options: CheckOptions) {
    this.options = options;
  }

  async run(): Promise<CheckResult> {
    await this.readAll();
    await this.readStreams();
    this.tell('looking at tables and indexes', this.events);
    for await (const problem of this.options.store.others()) await this.report(problem);
    const { events, foreignEvents, problems } = this;
    return { events, streams: this.streams.size, foreignEvents, problems };
  }

  private async readAll(): Promise<void> {
    let before: Position = START;
    this.tell('reading all events', undefined);
    for await (const found of this.options.store.readAll()) {
      this.options.signal.throwIfAborted();
      if ('unreadable' in found) await this.report(found.unreadable);
      else if (!isOwlStream(found.stream)) this.foreignEvents++;
      else {
        if (found.position <= before)
          await this.report({ ...placeOf(found), problem: `its position comes after ${before}` });
        before = found.position;
        await this.take(found);
      }
      this.tell('reading all events', undefined);
    }
  }

  private async take(event: RecordedEvent): Promise<void> {
    const { stream, revision, damage, type } = event;
    if (NEWEST_COUNTS.has(categoryOf(stream))) {
      this.events++;
      if (damage !== undefined) await this.report({ ...placeOf(event), problem: damage });
      return;
    }
    const seen = this.streams.get(stream) ?? { events: 0, next: 0, digest: '', problems: 0 };
    this.streams.set(stream, seen);
    this.events++;
    if (damage !== undefined) await this.report({ ...placeOf(event), problem: damage }, seen);
    // Where a damaged one stands may be what is wrong with it.
    if (type === CUT_OFF || (damage !== undefined && revision !== seen.next)) return;
    if (revision > seen.next)
      await this.report({ stream, revision: seen.next, problem: lacks(seen.next, revision - 1) }, seen);
    if (revision < seen.next)
      await this.report({ ...placeOf(event), problem: `it comes behind revision ${seen.next - 1}` }, seen);
    seen.next = Math.max(seen.next, revision + 1);
    seen.events++;
    seen.digest = extend(seen.digest, event);
  }

  private async readStreams(): Promise<void> {
    let events = 0;
    this.tell('reading each stream', this.events, events);
    for (const [stream, seen] of this.streams) {
      this.options.signal.throwIfAborted();
      await this.readStream(stream, seen);
      events += seen.events;
      this.tell('reading each stream', this.events, events);
    }
  }

  private async readStream(stream: StreamName, seen: Seen): Promise<void> {
    const revisionOf = new Map<string, number>();
    let digest = '';
    try {
      for await (const event of this.options.store.readStream(stream, seen.next)) {
        const first = revisionOf.get(event.id);
        if (first === undefined) revisionOf.set(event.id, event.revision);
        else
          await this.report(
            { ...placeOf(event), problem: `its id ${event.id} is that of revision ${first}, too` },
            seen,
          );
        digest = extend(digest, event);
      }
    } catch (error) {
      if (!(error instanceof DamagedStreamError)) throw error;
      await this.report({ stream, revision: error.revision, problem: messageOf(error) }, seen);
    }
    if (digest === seen.digest || seen.problems > 0) return;
    await this.report(
      { stream, problem: 'read as a stream it is not what is read of it among all events' },
      seen,
    );
  }

  private async report(problem: StoreProblem, seen?: Seen): Promise<void> {
    this.problems++;
    if (seen !== undefined) seen.problems++;
    await this.options.onProblem(problem);
  }

  private tell(step: CheckProgress['step'], total: number | undefined, events = this.events): void {
    this.options.onProgress({ step, events, total });
  }
}

function placeOf({ stream, revision, position }: RecordedEvent) {
  return { stream, revision, position };
}

function lacks(from: number, to: number): string {
  return from === to ? `revision ${from} is missing` : `revisions ${from} to ${to} are missing`;
}

function extend(digest: string, { id, revision, type, version, data, metadata }: RecordedEvent): string {
  const content = canonicalJson([id, revision, type, version, data, metadata]);
  return hash('sha256', `${digest}\n${content}`, 'base64');
}
