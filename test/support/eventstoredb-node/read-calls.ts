/** Part of a test double of EventStoreDB: the call Read, which reads streams and $all and subscribes to both. */

import { status as GrpcStatus, type Metadata, type ServerWritableStream } from '@grpc/grpc-js';
import { streams } from '../../../src/runtime/event-store/eventstoredb/connection/protocol.js';
import type { Faults } from './faults.js';
import type { LogRecord } from './log-record.js';
import {
  checkpointMessage,
  eventMessage,
  identifier,
  type RecordFilter,
  recordFilter,
  streamIn,
} from './record-messages.js';
import { accessDenied, invalidArgument, type Refusal, refusal, streamDeleted } from './refusals.js';
import type { TransactionLog } from './transaction-log.js';

export interface ReadContext {
  readonly log: TransactionLog;
  readonly faults: Faults;
  /** False for servers before 23.10, which do not say that a subscription has caught up. */
  readonly tellsCaughtUp: boolean;
  /** False for servers before 24.2: they leave out one record where none stands at the position that a subscription is given. */
  readonly resumesExactly: boolean;
  /** Why the call is refused before it is carried out. */
  refuse(headers: Metadata): Refusal | undefined;
  /** Subscriptions end with this error when it is called. */
  onDrop(listener: (reason: Refusal) => void): () => void;
}

type ReadCall = ServerWritableStream<streams.ReadReq, streams.ReadResp>;

/** Records that a subscription looks at before it tells how far it is, where the request doesn't say. */
const SEARCH_WINDOW = 32;
/** A live subscriber that is so many records behind catches up by reading instead. */
const LIVE_BUFFER = 100;

export async function read(context: ReadContext, call: ReadCall): Promise<void> {
  const { log } = context;
  const options = call.request.getOptions();
  const refused = context.refuse(call.metadata);
  if (refused !== undefined) return fail(context, call, refused);
  const filter = options && recordFilter(options);
  if (options?.getUuidOption() === undefined || filter === undefined) {
    return fail(context, call, invalidArgument("'uuidOption' and a filter option are required arguments"));
  }
  const uuids = options.getUuidOption()?.hasString() ? 'string' : 'structured';
  const stream = options.getStream();
  if (options.hasSubscription()) return subscribe(context, call, options, filter, uuids);
  if (stream === undefined) {
    if (options.hasFilter()) await context.faults.search(cancelled(call));
    const records = selectAll(log, options, filter);
    if (records === undefined) return fail(context, call, invalidPosition(options));
    return give(context, call, records, (record) => eventMessage(record, 'all', uuids));
  }
  const name = streamIn(stream.getStreamIdentifier());
  if (context.faults.forbidden.has(name)) return fail(context, call, accessDenied());
  const found = log.readStream(name);
  if (found === 'deleted') return fail(context, call, streamDeleted(name));
  if (found === 'notFound') {
    const notFound = new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifier(name));
    await send(context, call, new streams.ReadResp().setStreamNotFound(notFound));
    return end(context, call);
  }
  return give(context, call, selectStream(found, options), (record) => eventMessage(record, 'stream', uuids));
}

function selectStream(records: readonly LogRecord[], options: streams.ReadReq.Options): LogRecord[] {
  const count = Number(options.getCount());
  const from = options.getStream();
  const revision = from?.hasRevision() ? BigInt(from.getRevision()) : undefined;
  if (options.getReadDirection() === streams.ReadReq.Options.ReadDirection.FORWARDS) {
    const first = from?.hasEnd()
      ? records.length
      : records.findIndex((record) => record.revision >= (revision ?? 0n));
    return first < 0 ? [] : records.slice(first, first + count);
  }
  if (from?.hasStart()) return records.slice(0, 1);
  const upTo = revision === undefined ? records : records.filter((record) => record.revision <= revision);
  return upTo.slice(-count).reverse();
}

/** Undefined when the position lies within a record. */
function selectAll(
  log: TransactionLog,
  options: streams.ReadReq.Options,
  filter: RecordFilter,
): LogRecord[] | undefined {
  const count = Number(options.getCount());
  const forwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.FORWARDS;
  const index = startIndex(log, options);
  if (index === undefined) return undefined;
  // Forwards from a position includes the record at it; backwards gives what lies before it.
  const candidates = forwards ? log.records.slice(index) : log.records.slice(0, index).reverse();
  const records: LogRecord[] = [];
  for (const record of candidates) {
    if (records.length >= count) break;
    if (filter(record)) records.push(record);
  }
  return records;
}

/** Reading backwards the server has no words for it. */
function invalidPosition(options: streams.ReadReq.Options): Refusal {
  return options.getReadDirection() === streams.ReadReq.Options.ReadDirection.FORWARDS
    ? invalidArgument('Trying to read from an invalid position.')
    : refusal(GrpcStatus.UNKNOWN, 'Unexpected ReadAllResult: InvalidPosition');
}

/** Of the first record at the position or behind it. Undefined when the position lies within a record. */
function startIndex(log: TransactionLog, options: streams.ReadReq.Options): number | undefined {
  const all = options.getAll();
  if (all?.hasStart()) return 0;
  const position = all?.getPosition();
  if (position === undefined) return log.records.length;
  const commit = BigInt(position.getCommitPosition());
  const index = log.indexOf(commit);
  const record = log.records[index];
  if (record === undefined) return index;
  if (record.position !== commit) return log.index.isGap(commit) ? index : undefined;
  return record.position < BigInt(position.getPreparePosition()) ? index + 1 : index;
}

/** A subscription begins behind the position it is given. Undefined when that lies within a record. */
function resumeIndex(
  { log, resumesExactly }: ReadContext,
  options: streams.ReadReq.Options,
): number | undefined {
  const index = startIndex(log, options);
  const position = options.getAll()?.getPosition();
  const record = index === undefined ? undefined : log.records[index];
  if (index === undefined || position === undefined || record === undefined) return index;
  const stands = record.position === BigInt(position.getPreparePosition());
  return stands || !resumesExactly ? index + 1 : index;
}

async function give(
  context: ReadContext,
  call: ReadCall,
  records: readonly LogRecord[],
  message: (record: LogRecord) => streams.ReadResp,
): Promise<void> {
  for (const record of records) {
    if (call.cancelled) return;
    await send(context, call, message(record));
  }
  await end(context, call);
}

async function subscribe(
  context: ReadContext,
  call: ReadCall,
  options: streams.ReadReq.Options,
  filter: RecordFilter,
  uuids: 'string' | 'structured',
): Promise<void> {
  const { log } = context;
  const stream = options.getStream();
  const name = stream && streamIn(stream.getStreamIdentifier());
  let next = name === undefined ? resumeIndex(context, options) : 0;
  if (next === undefined) return fail(context, call, invalidPosition(options));
  const after = stream?.hasRevision() ? BigInt(stream.getRevision()) : -1n;
  const matches: RecordFilter =
    name === undefined ? filter : (record) => record.stream === name && record.revision > after;
  const checkpoints = options.getFilter() && new Checkpoints(options.getFilter());
  const ended = endOf(context, call);
  const confirmation = new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(crypto.randomUUID());
  await send(context, call, new streams.ReadResp().setConfirmation(confirmation));
  const { stalled } = context.faults;
  let live = false;
  while (!ended.signal.aborted) {
    if (stalled !== context.faults.stalled) return;
    const record = log.records[next];
    if (record === undefined) {
      if (!live && context.tellsCaughtUp) {
        await send(context, call, new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()));
      }
      live = true;
      checkpoints?.goLive();
      await appended(log, next, ended.signal);
      continue;
    }
    if (live && log.records.length - next > LIVE_BUFFER) {
      live = false;
      if (context.tellsCaughtUp) {
        await send(context, call, new streams.ReadResp().setFellBehind(new streams.ReadResp.FellBehind()));
      }
    }
    await context.faults.untilReleased(record.position, ended.signal);
    if (ended.signal.aborted) return;
    next += 1;
    const matching = matches(record);
    if (matching)
      await send(context, call, eventMessage(record, name === undefined ? 'all' : 'stream', uuids));
    const checkpoint = checkpoints?.consider(record.position, matching, live);
    if (checkpoint !== undefined) await send(context, call, checkpoint);
  }
}

/**
 * When a filtered subscription tells how far it is. Live that is the record it has looked at. While it catches up it
 * reads pages, and tells the last record of a page that matched or, where none did, where that page began: a position with
 * the prepare position 0, at which nothing has been looked at yet.
 */
class Checkpoints {
  private readonly window: number;
  private readonly interval: number;
  private considered = 0;
  private page: { readonly start: bigint; size: number; matched: bigint | undefined } | undefined;

  constructor(filter: streams.ReadReq.Options.FilterOptions | undefined) {
    this.window = filter?.getMax() || SEARCH_WINDOW;
    this.interval = this.window * (filter?.getCheckpointintervalmultiplier() || 1);
  }

  goLive(): void {
    this.page = undefined;
  }

  consider(position: bigint, matching: boolean, live: boolean): streams.ReadResp | undefined {
    this.considered += 1;
    if (live) return this.isDue() ? checkpointMessage(position, position) : undefined;
    this.page ??= { start: position, size: 0, matched: undefined };
    this.page.size += 1;
    if (matching) this.page.matched = position;
    if (this.page.size < this.window) return undefined;
    const { start, matched } = this.page;
    this.page = undefined;
    if (!this.isDue()) return undefined;
    return matched === undefined ? checkpointMessage(start, 0n) : checkpointMessage(matched, matched);
  }

  private isDue(): boolean {
    if (this.considered < this.interval) return false;
    this.considered %= this.interval;
    return true;
  }
}

/** Aborts when the client is gone or the node drops its subscriptions. */
function endOf(context: ReadContext, call: ReadCall): AbortController {
  const ended = new AbortController();
  const stopListening = context.onDrop((reason) => {
    ended.abort();
    call.emit('error', reason);
  });
  ended.signal.addEventListener('abort', stopListening, { once: true });
  call.on('cancelled', () => ended.abort());
  call.on('close', () => ended.abort());
  return ended;
}

function cancelled(call: ReadCall): AbortSignal {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort());
  return controller.signal;
}

function appended(log: TransactionLog, index: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || log.records.length > index) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = () => {
      stopListening();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const stopListening = log.onAppend(finish);
    signal.addEventListener('abort', finish, { once: true });
  });
}

/** Waits while the client takes nothing more. */
async function send(context: ReadContext, call: ReadCall, message: streams.ReadResp): Promise<void> {
  let full = false;
  await context.faults.answer(() => {
    if (!call.cancelled) full = !call.write(message);
  });
  if (full && !call.cancelled) await drained(call);
}

function drained(call: ReadCall): Promise<void> {
  return new Promise((resolve) => {
    const events = ['drain', 'cancelled', 'close'] as const;
    const finish = () => {
      for (const event of events) call.off(event, finish);
      resolve();
    };
    for (const event of events) call.on(event, finish);
  });
}

function end({ faults }: ReadContext, call: ReadCall): Promise<void> {
  return faults.answer(() => call.end());
}

function fail({ faults }: ReadContext, call: ReadCall, reason: Refusal): Promise<void> {
  return faults.answer(() => call.emit('error', reason));
}
