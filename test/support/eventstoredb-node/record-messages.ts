/** Part of a test double of EventStoreDB: its log records as messages, and what a filter lets pass. */

import { shared, streams } from '../../../src/runtime/event-store/eventstoredb/connection/protocol.js';
import type { LogRecord } from './log-record.js';

const TICKS_PER_MILLISECOND = 10_000n;

/**
 * @param from `all` tells the position in the log beside the record, `stream` does not
 * @param uuids in which of its two forms the caller wants ids
 */
export function eventMessage(
  record: LogRecord,
  from: 'all' | 'stream',
  uuids: 'string' | 'structured',
): streams.ReadResp {
  const position = String(record.position);
  const message = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setId(uuidMessage(record.id, uuids))
    .setStreamIdentifier(identifier(record.stream))
    .setStreamRevision(String(record.revision))
    .setCommitPosition(position)
    .setPreparePosition(position)
    .setData(record.data)
    .setCustomMetadata(record.metadata);
  message
    .getMetadataMap()
    .set('type', record.type)
    .set('created', String(BigInt(record.created) * TICKS_PER_MILLISECOND))
    .set('content-type', record.json ? 'application/json' : 'application/octet-stream');
  const event = new streams.ReadResp.ReadEvent().setEvent(message);
  if (from === 'all') event.setCommitPosition(position);
  else event.setNoPosition(new shared.Empty());
  return new streams.ReadResp().setEvent(event);
}

export function checkpointMessage(commit: bigint, prepare: bigint): streams.ReadResp {
  const checkpoint = new streams.ReadResp.Checkpoint()
    .setCommitPosition(String(commit))
    .setPreparePosition(String(prepare));
  return new streams.ReadResp().setCheckpoint(checkpoint);
}

export function identifier(stream: string): shared.StreamIdentifier {
  return new shared.StreamIdentifier().setStreamName(Buffer.from(stream, 'utf8'));
}

export function streamIn(message: shared.StreamIdentifier | undefined): string {
  return Buffer.from(message?.getStreamName_asU8() ?? []).toString('utf8');
}

export function uuidIn(message: shared.UUID | undefined): string {
  const structured = message?.getStructured();
  if (structured === undefined) return (message?.getString() ?? '').toLowerCase();
  const high = BigInt.asUintN(64, BigInt(structured.getMostSignificantBits())).toString(16).padStart(16, '0');
  const low = BigInt.asUintN(64, BigInt(structured.getLeastSignificantBits())).toString(16).padStart(16, '0');
  return `${high.slice(0, 8)}-${high.slice(8, 12)}-${high.slice(12)}-${low.slice(0, 4)}-${low.slice(4)}`;
}

function uuidMessage(id: string, form: 'string' | 'structured'): shared.UUID {
  if (form === 'string') return new shared.UUID().setString(id);
  const hex = id.replaceAll('-', '');
  return new shared.UUID().setStructured(
    new shared.UUID.Structured()
      .setMostSignificantBits(String(BigInt.asIntN(64, BigInt(`0x${hex.slice(0, 16)}`))))
      .setLeastSignificantBits(String(BigInt.asIntN(64, BigInt(`0x${hex.slice(16)}`)))),
  );
}

export type RecordFilter = (record: LogRecord) => boolean;

/** Undefined when the request's filter says neither what it looks at nor for what. */
export function recordFilter(options: streams.ReadReq.Options): RecordFilter | undefined {
  const filter = options.getFilter();
  if (filter === undefined) return options.hasNoFilter() ? () => true : undefined;
  const byStream = filter.getStreamIdentifier();
  const expression = byStream ?? filter.getEventType();
  if (expression === undefined) return undefined;
  const matches = textMatcher(expression);
  return byStream === undefined ? ({ type }) => matches(type) : ({ stream }) => matches(stream);
}

function textMatcher(
  expression: streams.ReadReq.Options.FilterOptions.Expression,
): (text: string) => boolean {
  if (expression.getRegex() !== '') {
    const regex = new RegExp(expression.getRegex());
    return (text) => regex.test(text);
  }
  const prefixes = expression.getPrefixList();
  return (text) => prefixes.some((prefix) => text.startsWith(prefix));
}
