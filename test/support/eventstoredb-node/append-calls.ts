/** Part of a test double of EventStoreDB: the calls that change streams, which are Append, BatchAppend, Delete and Tombstone. */

import { setTimeout as pause } from 'node:timers/promises';
import type {
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  sendUnaryData,
} from '@grpc/grpc-js';
import type { ExpectedRevision } from '../../../src/runtime/event-store/event-store.js';
import { streams } from '../../../src/runtime/event-store/eventstoredb/connection/protocol.js';
import {
  appendAnswer,
  badRequest,
  fillBatchAnswer,
  refusedStatus,
  timedOutStatus,
  tooLarge,
} from './append-answers.js';
import type { AnswerFault, Faults } from './faults.js';
import type { ProposedRecord } from './log-record.js';
import { identifier, streamIn, uuidIn } from './record-messages.js';
import {
  appendTooLarge,
  invalidArgument,
  messageTooLarge,
  metadataMissing,
  type Refusal,
  streamDeleted,
  timedOut,
  wrongRevision,
} from './refusals.js';
import type { AppendOutcome, TransactionLog } from './transaction-log.js';

export interface AppendContext {
  readonly log: TransactionLog;
  readonly faults: Faults;
  /** Bytes of one append. */
  readonly maxAppendSize: number;
  /** Bytes of one message; a larger one ends its call. */
  readonly maxMessageSize: number;
  /** Milliseconds after which an append that got no answer is answered with a timeout. */
  readonly commitTimeoutMs: number;
  /** Why the call is refused before it is carried out. */
  refuseChange(headers: Metadata): Refusal | undefined;
  /** Streams of appends end with this error when it is called. */
  onDropAppends(listener: (reason: Refusal) => void): () => void;
}

/** What the server writes for an expectation that is no revision. */
const EXPECTED_NUMBERS = { any: -2n, noStream: -1n, streamExists: -4n } as const;

type Proposed = streams.AppendReq.ProposedMessage | streams.BatchAppendReq.ProposedMessage;

interface Expectation {
  hasAny(): boolean;
  hasNoStream(): boolean;
  hasStreamExists(): boolean;
}

export function append(
  context: AppendContext,
  call: ServerReadableStream<streams.AppendReq, streams.AppendResp>,
  callback: sendUnaryData<streams.AppendResp>,
): void {
  let options: streams.AppendReq.Options | undefined;
  const records: ProposedRecord[] = [];
  let size = 0;
  let failed = false;
  const fail = (failure: Refusal) => {
    if (failed) return;
    failed = true;
    void context.faults.answer(() => callback(failure));
  };
  const refused = context.refuseChange(call.metadata);
  if (refused !== undefined) fail(refused);
  call.on('data', (request: streams.AppendReq) => {
    options ??= request.getOptions();
    const proposed = request.getProposedMessage();
    if (proposed === undefined || failed) return;
    const missing = ['type', 'content-type'].find((key) => !proposed.getMetadataMap().has(key));
    if (missing !== undefined) return fail(metadataMissing(missing));
    const record = recordOf(proposed);
    if (sizeOf(record) > context.maxMessageSize) return fail(messageTooLarge());
    size += sizeOf(record);
    if (size > context.maxAppendSize) return fail(appendTooLarge(context.maxAppendSize));
    records.push(record);
  });
  call.on('end', () => {
    if (failed) return;
    if (options === undefined) return fail(invalidArgument('An append needs options'));
    const stream = streamIn(options.getStreamIdentifier());
    const expected = expectedIn(options, options.hasRevision() ? options.getRevision() : undefined);
    if (expected === undefined) return fail(invalidArgument("'None' is not a valid expectation"));
    const outcome = context.log.append(stream, expected, records);
    void whenAnswered(context, outcome, (timeout) => {
      if (timeout) callback(timedOut());
      else if (outcome.kind === 'deleted') callback(streamDeleted(stream));
      else callback(null, appendAnswer(expected, outcome));
    });
  });
}

export function batchAppend(
  context: AppendContext,
  call: ServerDuplexStream<streams.BatchAppendReq, streams.BatchAppendResp>,
): void {
  const underWay = new Map<
    string,
    { stream: string; expected: ExpectedRevision; records: ProposedRecord[] }
  >();
  const answer = (
    request: streams.BatchAppendReq,
    stream: string,
    fill: (to: streams.BatchAppendResp) => void,
  ) => {
    const response = answerTo(request, stream);
    fill(response);
    void context.faults.answer(() => call.write(response));
  };
  const stopListening = context.onDropAppends((reason) => call.emit('error', reason));
  for (const event of ['cancelled', 'close', 'end']) call.on(event, stopListening);
  call.on('data', (request: streams.BatchAppendReq) => {
    const id = uuidIn(request.getCorrelationId());
    const options = request.getOptions();
    if (options !== undefined) {
      const stream = streamIn(options.getStreamIdentifier());
      const expected = expectedIn(
        options,
        options.hasStreamPosition() ? options.getStreamPosition() : undefined,
      );
      if (expected === undefined) {
        return answer(request, stream, (to) => to.setError(badRequest("'None' is not a valid expectation")));
      }
      underWay.set(id, { stream, expected, records: [] });
    }
    const write = underWay.get(id);
    if (write === undefined) return;
    const { stream, expected, records } = write;
    const more = request.getProposedMessagesList().map(recordOf);
    if (sizeOfAll(more) > context.maxMessageSize) return void call.emit('error', messageTooLarge());
    records.push(...more);
    if (sizeOfAll(records) > context.maxAppendSize) {
      underWay.delete(id);
      return answer(request, stream, (to) => to.setError(tooLarge(context.maxAppendSize)));
    }
    if (!request.getIsFinal()) return;
    underWay.delete(id);
    const refused = context.refuseChange(call.metadata);
    // As on the server: who isn't the leader ends the whole stream, who is busy says so of the one append.
    if (refused?.metadata.get('exception')[0] === 'not-leader') return void call.emit('error', refused);
    if (refused !== undefined) return answer(request, stream, (to) => to.setError(refusedStatus(refused)));
    const outcome = context.log.append(stream, expected, records);
    void whenAnswered(context, outcome, (timeout) => {
      const response = answerTo(request, stream);
      if (timeout) response.setError(timedOutStatus());
      else fillBatchAnswer(response, stream, expected, outcome);
      call.write(response);
    });
  });
  call.on('end', () => call.end());
}

export function deleteStream(
  context: AppendContext,
  call: ServerUnaryCall<streams.DeleteReq, streams.DeleteResp>,
  callback: sendUnaryData<streams.DeleteResp>,
): void {
  change(context, 'Delete', call, callback, call.request.getOptions(), (stream, expected) => {
    const outcome = context.log.delete(stream, expected);
    const position = positionOf(outcome);
    const at = new streams.DeleteResp.Position().setCommitPosition(position).setPreparePosition(position);
    return [outcome, new streams.DeleteResp().setPosition(at)];
  });
}

export function tombstoneStream(
  context: AppendContext,
  call: ServerUnaryCall<streams.TombstoneReq, streams.TombstoneResp>,
  callback: sendUnaryData<streams.TombstoneResp>,
): void {
  change(context, 'Delete', call, callback, call.request.getOptions(), (stream, expected) => {
    const outcome = context.log.tombstone(stream, expected);
    const position = positionOf(outcome);
    const at = new streams.TombstoneResp.Position().setCommitPosition(position).setPreparePosition(position);
    return [outcome, new streams.TombstoneResp().setPosition(at)];
  });
}

function change<Request, Response>(
  context: AppendContext,
  operation: string,
  call: ServerUnaryCall<Request, Response>,
  callback: sendUnaryData<Response>,
  options: streams.DeleteReq.Options | streams.TombstoneReq.Options | undefined,
  carryOut: (stream: string, expected: ExpectedRevision) => [AppendOutcome, Response],
): void {
  const refused = context.refuseChange(call.metadata);
  const expected = options && expectedIn(options, options.hasRevision() ? options.getRevision() : undefined);
  if (refused !== undefined || options === undefined || expected === undefined) {
    const failure = refused ?? invalidArgument('A deletion needs an expectation');
    void context.faults.answer(() => callback(failure));
    return;
  }
  const stream = streamIn(options.getStreamIdentifier());
  const [outcome, response] = carryOut(stream, expected);
  void context.faults.answer(() => {
    if (outcome.kind === 'deleted') callback(streamDeleted(stream));
    else if (outcome.kind === 'wrongRevision') {
      callback(wrongRevision(operation, stream, numberOf(expected), outcome.current));
    } else callback(null, response);
  });
}

function answerTo(request: streams.BatchAppendReq, stream: string): streams.BatchAppendResp {
  const response = new streams.BatchAppendResp();
  return response.setCorrelationId(request.getCorrelationId()).setStreamIdentifier(identifier(stream));
}

/**
 * Answers when the server would: a conflict at once, what was stored when readers see it, and what it has dropped when the
 * time is over. Faults of answers hit only what was stored.
 */
async function whenAnswered(
  { faults, log, commitTimeoutMs }: AppendContext,
  outcome: AppendOutcome,
  answer: (timeout: boolean) => void,
): Promise<void> {
  const fault: AnswerFault = outcome.kind === 'stored' ? faults.ofNextAppend() : 'none';
  if (fault === 'dropConnection') return faults.drop();
  if (outcome.kind === 'stored') await log.index.until(outcome.position);
  if (outcome.kind === 'dropped') await pause(commitTimeoutMs, undefined, { ref: false });
  await faults.answer(() => answer(fault === 'timeout' || outcome.kind === 'dropped'));
}

function recordOf(proposed: Proposed): ProposedRecord {
  const metadata = proposed.getMetadataMap();
  return {
    id: uuidIn(proposed.getId()),
    type: metadata.get('type') ?? '',
    json: metadata.get('content-type') === 'application/json',
    data: proposed.getData_asU8(),
    metadata: proposed.getCustomMetadata_asU8(),
  };
}

/** As the server counts it. */
function sizeOf({ type, data, metadata }: ProposedRecord): number {
  return data.length + metadata.length + 2 * type.length;
}

function sizeOfAll(records: readonly ProposedRecord[]): number {
  return records.reduce((size, record) => size + sizeOf(record), 0);
}

function expectedIn(options: Expectation, revision: string | undefined): ExpectedRevision | undefined {
  if (options.hasAny()) return 'any';
  if (options.hasNoStream()) return 'noStream';
  if (options.hasStreamExists()) return 'streamExists';
  return revision === undefined ? undefined : Number(revision);
}

function numberOf(expected: ExpectedRevision): bigint {
  return typeof expected === 'number' ? BigInt(expected) : EXPECTED_NUMBERS[expected];
}

function positionOf(outcome: AppendOutcome): string {
  return 'position' in outcome ? String(outcome.position) : '0';
}
