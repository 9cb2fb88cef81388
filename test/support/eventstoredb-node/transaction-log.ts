/**
 * Part of a test double of EventStoreDB: its transaction log and streams, in memory. What an append or a deletion finds
 * and does follows the server's own check of a commit: expected revisions, appends that are already there, streams that are
 * deleted (and may come back) or have a tombstone (and may not).
 */

import type { ExpectedRevision } from '../../../src/runtime/event-store/event-store.js';
import { LogIndex } from './log-index.js';
import type { LogRecord, ProposedRecord } from './log-record.js';

export type AppendOutcome =
  | {
      /** `dropped` is a repetition of what is not indexed yet: the server leaves it without an answer. */
      readonly kind: 'stored' | 'repeated' | 'dropped';
      readonly revision: bigint;
      readonly position: bigint;
    }
  | { readonly kind: 'wrongRevision' /** -1 when the stream is empty. */; readonly current: bigint }
  | { readonly kind: 'deleted' };

interface Stream {
  readonly records: LogRecord[];
  /** Revisions below are gone. */
  truncatedBefore: bigint;
  maxCount?: number | undefined;
  tombstone: boolean;
}

/** What the metadata of a stream says of it. */
interface StreamLimits {
  readonly $tb?: number;
  readonly $maxCount?: number;
}

/** The revision of a tombstone, and what a deleted stream is truncated before. */
export const DELETED = 9_223_372_036_854_775_807n;

/** Bytes of a record beside its content: only that positions grow in uneven steps, as on the server. */
const OVERHEAD = 83n;

export interface LogOptions {
  /** Links every event in the stream of its category, as the projection $by_category does. */
  readonly byCategory?: boolean;
  /** The position of the first record. Default 0. */
  readonly startsAt?: bigint;
}

export class TransactionLog {
  readonly index = new LogIndex();
  private readonly streams = new Map<string, Stream>();
  /** The events of this run of the server: what it knows of without looking into a stream. */
  private readonly committed = new Map<string, { readonly stream: string; readonly revision: bigint }>();
  private readonly byCategory: boolean;
  private end: bigint;

  constructor({ byCategory = false, startsAt = 0n }: LogOptions = {}) {
    this.byCategory = byCategory;
    this.end = startsAt;
    for (const [stream, type] of [
      ['$users', '$UserCreated'],
      ['$stats-127.0.0.1:2113', '$statsCollected'],
    ] as const) {
      this.writeSystem(stream, type, {});
    }
    this.index.advance();
  }

  /** What readers see. */
  get records(): readonly LogRecord[] {
    return this.index.records;
  }

  append(stream: string, expected: ExpectedRevision, events: readonly ProposedRecord[]): AppendOutcome {
    const outcome = this.check(stream, expected, events);
    if (outcome !== undefined) return outcome;
    const found = this.openStream(stream);
    if (found.truncatedBefore === DELETED) this.undelete(stream, found);
    let last: LogRecord | undefined;
    for (const event of events) {
      last = this.write(stream, this.lastRevision(stream) + 1n, event);
      if (event.type === '$metadata' && stream.startsWith('$$')) {
        const metadata: StreamLimits = JSON.parse(Buffer.from(event.data).toString('utf8'));
        this.limit(this.openStream(stream.slice(2)), metadata);
      }
    }
    if (this.byCategory) this.link(stream, events.length);
    this.index.advance();
    return {
      kind: 'stored',
      revision: last?.revision ?? this.lastRevision(stream),
      position: last?.position ?? 0n,
    };
  }

  /** Deletes a stream so that it holds nothing until something is appended, which goes on with its revisions. */
  delete(stream: string, expected: ExpectedRevision): AppendOutcome {
    const outcome = this.checkRevision(stream, expected);
    if (outcome !== undefined) return outcome;
    const current = this.lastRevision(stream);
    if (current < 0n) return { kind: 'wrongRevision', current };
    const found = this.openStream(stream);
    found.truncatedBefore = DELETED;
    const record = this.writeSystem(`$$${stream}`, '$metadata', { $tb: Number(DELETED) });
    this.index.advance();
    return { kind: 'stored', revision: this.lastRevision(stream), position: record.position };
  }

  /**
   * Writes the metadata of a stream: how many of its newest events readers of the stream see, and from which revision on.
   * What is cut off stays in $all until it is scavenged. Without a limit they see again what is still there.
   */
  setMetadata(stream: string, metadata: StreamLimits): void {
    this.limit(this.openStream(stream), metadata);
    this.writeSystem(`$$${stream}`, '$metadata', { ...metadata });
    this.index.advance();
  }

  /** Deletes a stream for good. */
  tombstone(stream: string, expected: ExpectedRevision): AppendOutcome {
    const outcome = this.checkRevision(stream, expected);
    if (outcome !== undefined) return outcome;
    const record = this.write(stream, DELETED, {
      id: crypto.randomUUID(),
      type: '$streamDeleted',
      json: true,
      data: Buffer.from('{}'),
      metadata: new Uint8Array(),
    });
    this.openStream(stream).tombstone = true;
    this.index.advance();
    return { kind: 'stored', revision: DELETED, position: record.position };
  }

  /** What a reader of the stream finds. */
  readStream(stream: string): readonly LogRecord[] | 'notFound' | 'deleted' {
    const found = this.streams.get(stream);
    if (found === undefined) return 'notFound';
    if (found.tombstone) return 'deleted';
    if (found.truncatedBefore === DELETED) return 'notFound';
    if (found.records.length === 0) return 'notFound';
    const oldest = found.maxCount === undefined ? 0 : found.records.length - found.maxCount;
    // A stream that is cut off whole is there and empty: only one that was deleted is not found.
    const indexed = found.records.filter(({ position }) => this.index.has(position));
    const readable = indexed.filter(
      ({ revision }) => revision >= found.truncatedBefore && revision >= BigInt(oldest),
    );
    return indexed.length === 0 ? 'notFound' : readable;
  }

  /** The index in `records` of the first record at this position or behind it. */
  indexOf(position: bigint): number {
    let low = 0;
    let high = this.records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.records[middle]?.position ?? 0n) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Calls back whenever readers see more; the returned function ends that. */
  onAppend(listener: () => void): () => void {
    return this.index.onMore(listener);
  }

  /** What a restart of the server forgets: the events that it knew of without looking into a stream. */
  forgetCommitted(): void {
    this.committed.clear();
    this.index.release();
  }

  /** Undefined when it is to be written. */
  private check(
    stream: string,
    expected: ExpectedRevision,
    events: readonly ProposedRecord[],
  ): AppendOutcome | undefined {
    const found = this.streams.get(stream);
    const current = this.lastRevision(stream);
    if (found?.tombstone) return { kind: 'deleted' };
    if (expected === 'streamExists' && found?.truncatedBefore === DELETED) return { kind: 'deleted' };
    if (expected === 'streamExists' && current < 0n) return { kind: 'wrongRevision', current };
    if (expected === 'any' || expected === 'streamExists') return this.checkCommitted(stream, events);
    const before = expected === 'noStream' ? -1n : BigInt(expected);
    if (before === current) return undefined;
    if (before > current) return { kind: 'wrongRevision', current };
    const there = events.map(({ id }, i) => found?.records[Number(before) + 1 + i]?.id === id);
    if (there.every((same) => same)) return this.repeated(stream, before + BigInt(events.length));
    const undeletes = expected === 'noStream' && found?.truncatedBefore === DELETED && there[0] === false;
    return undeletes ? undefined : { kind: 'wrongRevision', current };
  }

  /** Without a revision to compare, only what this run of the server has written is recognised. */
  private checkCommitted(stream: string, events: readonly ProposedRecord[]): AppendOutcome | undefined {
    const known = events.map(({ id }) => this.committed.get(id)).filter((event) => event?.stream === stream);
    const first = this.committed.get(events[0]?.id ?? '');
    if (first?.stream !== stream) return undefined;
    const last = known.at(-1);
    if (known.length < events.length || last === undefined) {
      return { kind: 'wrongRevision', current: this.lastRevision(stream) };
    }
    return this.repeated(stream, last.revision);
  }

  private checkRevision(stream: string, expected: ExpectedRevision): AppendOutcome | undefined {
    const current = this.lastRevision(stream);
    if (this.streams.get(stream)?.tombstone) return { kind: 'deleted' };
    if (expected === 'any') return undefined;
    const fits =
      expected === 'streamExists'
        ? current >= 0n
        : current === (expected === 'noStream' ? -1n : BigInt(expected));
    return fits ? undefined : { kind: 'wrongRevision', current };
  }

  private limit(stream: Stream, { $tb = 0, $maxCount }: StreamLimits): void {
    stream.truncatedBefore = BigInt($tb);
    stream.maxCount = $maxCount;
  }

  private repeated(stream: string, revision: bigint): AppendOutcome {
    const record = this.streams.get(stream)?.records[Number(revision)];
    const position = record?.position ?? 0n;
    return { kind: this.index.has(position) ? 'repeated' : 'dropped', revision, position };
  }

  private lastRevision(stream: string): bigint {
    return BigInt(this.streams.get(stream)?.records.length ?? 0) - 1n;
  }

  private openStream(name: string): Stream {
    const found = this.streams.get(name);
    if (found !== undefined) return found;
    const stream: Stream = { records: [], truncatedBefore: 0n, tombstone: false };
    this.streams.set(name, stream);
    return stream;
  }

  private undelete(name: string, stream: Stream): void {
    stream.truncatedBefore = BigInt(stream.records.length);
    this.writeSystem(`$$${name}`, '$metadata', { $tb: stream.records.length });
  }

  private link(stream: string, count: number): void {
    if (stream.startsWith('$')) return;
    const last = this.lastRevision(stream);
    for (let revision = last - BigInt(count) + 1n; revision <= last; revision++) {
      const category = `$ce-${stream.slice(0, stream.indexOf('-'))}`;
      this.write(category, this.lastRevision(category) + 1n, {
        id: crypto.randomUUID(),
        type: '$>',
        json: false,
        data: Buffer.from(`${revision}@${stream}`),
        metadata: Buffer.from('{"$v":"1:-1:1:4"}'),
      });
    }
  }

  private writeSystem(stream: string, type: string, data: Record<string, number>): LogRecord {
    return this.write(stream, this.lastRevision(stream) + 1n, {
      id: crypto.randomUUID(),
      type,
      json: true,
      data: Buffer.from(JSON.stringify(data)),
      metadata: new Uint8Array(),
    });
  }

  private write(stream: string, revision: bigint, event: ProposedRecord): LogRecord {
    const record: LogRecord = { ...event, stream, revision, position: this.end, created: Date.now() };
    this.end += OVERHEAD + BigInt(event.data.length + event.metadata.length + 2 * stream.length);
    this.index.write(record);
    if (revision !== DELETED) this.openStream(stream).records.push(record);
    this.committed.set(event.id, { stream, revision });
    return record;
  }
}
