/** Part of a test double of EventStoreDB: the call Read, which reads streams and $all and subscribes to both. */

import type { Metadata, ServerWritableStream } from '@grpc/grpc-js';
import { streams } from '../../../src/runtime/event-store/eventstoredb/protocol.js';
import type { Faults } from './faults.js';
import {
  checkpointMessage,
  eventMessage,
  identifier,
  type RecordFilter,
  recordFilter,
  streamIn,
} from './record-messages.js';
import { invalidArgument, type Refusal, streamDeleted } from './refusals.js';
import type { LogRecord, TransactionLog } from './transaction-log.js';

export interface ReadContext {
  readonly log: TransactionLog;
  readonly faults: Faults;
  /** False for servers before 23.10, which do not say that a subscription has caught up. */
  readonly tellsCaughtUp: boolean;
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
    const records = selectAll(log, options, filter);
    if (!Array.isArray(records))
      return fail(context, call, invalidArgument('Trying to read from an invalid position.'));
    return give(context, call, records, (record) => eventMessage(record, 'all', uuids));
  }
  const name = streamIn(stream.getStreamIdentifier());
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

function startIndex(log: TransactionLog, options: streams.ReadReq.Options): number | undefined {
  const all = options.getAll();
  if (all?.hasStart()) return 0;
  const position = all?.getPosition();
  if (position === undefined) return log.records.length;
  const at = BigInt(position.getCommitPosition());
  const index = log.indexOf(at);
  const record = log.records[index];
  return record === undefined || record.position === at ? index : undefined;
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
  let next = name === undefined ? startIndex(log, options) : 0;
  if (next === undefined)
    return fail(context, call, invalidArgument('Trying to read from an invalid position.'));
  // A subscription begins behind the position it is given.
  if (options.getAll()?.hasPosition() && log.records[next] !== undefined) next += 1;
  const after = stream?.hasRevision() ? BigInt(stream.getRevision()) : -1n;
  const matches: RecordFilter =
    name === undefined ? filter : (record) => record.stream === name && record.revision > after;
  const window = options.getFilter()?.getMax() || SEARCH_WINDOW;
  const interval = window * (options.getFilter()?.getCheckpointintervalmultiplier() || 1);
  const ended = endOf(context, call);
  const confirmation = new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(crypto.randomUUID());
  await send(context, call, new streams.ReadResp().setConfirmation(confirmation));
  const { stalled } = context.faults;
  let live = false;
  let considered = 0;
  while (!ended.signal.aborted) {
    if (stalled !== context.faults.stalled) return;
    const record = log.records[next];
    if (record === undefined) {
      if (!live && context.tellsCaughtUp) {
        await send(context, call, new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp()));
      }
      live = true;
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
    considered += 1;
    if (matches(record))
      await send(context, call, eventMessage(record, name === undefined ? 'all' : 'stream', uuids));
    if (considered >= interval && options.hasFilter()) {
      considered = 0;
      await send(context, call, checkpointMessage(record.position));
    }
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
