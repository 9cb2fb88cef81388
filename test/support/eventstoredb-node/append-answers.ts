/** Part of a test double of EventStoreDB: what it answers to an append, as the message of a call or of a batch. */

import any from 'google-protobuf/google/protobuf/any_pb.js';
import type { ExpectedRevision } from '../../../src/runtime/event-store/event-store.js';
import {
  shared,
  status,
  streams,
} from '../../../src/runtime/event-store/eventstoredb/connection/protocol.js';
import { identifier } from './record-messages.js';
import type { Refusal } from './refusals.js';
import type { AppendOutcome } from './transaction-log.js';

export function appendAnswer(
  expected: ExpectedRevision,
  outcome: Exclude<AppendOutcome, { kind: 'deleted' }>,
): streams.AppendResp {
  if (outcome.kind === 'wrongRevision') {
    const conflict = new streams.AppendResp.WrongExpectedVersion();
    if (outcome.current < 0n) conflict.setCurrentNoStream(new shared.Empty());
    else conflict.setCurrentRevision(String(outcome.current));
    if (expected === 'any') conflict.setExpectedAny(new shared.Empty());
    else if (expected === 'streamExists') conflict.setExpectedStreamExists(new shared.Empty());
    else if (expected === 'noStream') conflict.setExpectedNoStream(new shared.Empty());
    else conflict.setExpectedRevision(String(expected));
    return new streams.AppendResp().setWrongExpectedVersion(conflict);
  }
  const position = String(outcome.position);
  return new streams.AppendResp().setSuccess(
    new streams.AppendResp.Success()
      .setCurrentRevision(String(outcome.revision))
      .setPosition(
        new streams.AppendResp.Position().setCommitPosition(position).setPreparePosition(position),
      ),
  );
}

export function fillBatchAnswer(
  to: streams.BatchAppendResp,
  stream: string,
  expected: ExpectedRevision,
  outcome: AppendOutcome,
): void {
  if (outcome.kind === 'deleted') {
    const details = new shared.StreamDeleted().setStreamIdentifier(identifier(stream));
    to.setError(packed(5, 'StreamDeleted', details, 'StreamDeleted'));
  } else if (outcome.kind === 'wrongRevision') {
    to.setError(
      packed(6, 'WrongExpectedVersion', conflictDetails(expected, outcome.current), 'WrongExpectedVersion'),
    );
  } else {
    const position = String(outcome.position);
    const at = new shared.AllStreamPosition().setCommitPosition(position).setPreparePosition(position);
    to.setSuccess(
      new streams.BatchAppendResp.Success().setCurrentRevision(String(outcome.revision)).setPosition(at),
    );
  }
}

function conflictDetails(expected: ExpectedRevision, current: bigint): shared.WrongExpectedVersion {
  const details = new shared.WrongExpectedVersion();
  if (current < 0n) details.setCurrentNoStream(new shared.Empty());
  else details.setCurrentStreamRevision(String(current));
  if (expected === 'any') details.setExpectedAny(new shared.Empty());
  else if (expected === 'streamExists') details.setExpectedStreamExists(new shared.Empty());
  else if (expected === 'noStream') details.setExpectedNoStream(new shared.Empty());
  else details.setExpectedStreamPosition(String(expected));
  return details;
}

export function badRequest(message: string): status.Status {
  return packed(3, 'BadRequest', new shared.BadRequest().setMessage(message), 'BadRequest');
}

export function tooLarge(largest: number): status.Status {
  const details = new shared.MaximumAppendSizeExceeded().setMaxappendsize(largest);
  return packed(3, 'MaximumAppendSizeExceeded', details, 'MaximumAppendSizeExceeded');
}

/** A batch says of one append in words what a call says with its status. */
export function refusedStatus(refused: Refusal): status.Status {
  if (refused.metadata.get('exception')[0] === 'access-denied') {
    return packed(7, 'AccessDenied', new shared.AccessDenied(), 'AccessDenied');
  }
  const empty = new any.Any();
  empty.pack(new Uint8Array(), 'google.protobuf.Empty');
  const message = refused.details === 'Server Is Too Busy' ? 'Server Is Busy' : refused.details;
  return new status.Status().setMessage(message).setDetails(empty);
}

/** @param code of google.rpc.Code */
function packed(
  code: 3 | 4 | 5 | 6 | 7,
  message: string,
  details: { serializeBinary(): Uint8Array },
  type: string,
): status.Status {
  const packedDetails = new any.Any();
  packedDetails.pack(details.serializeBinary(), `event_store.client.${type}`);
  return new status.Status().setCode(code).setMessage(message).setDetails(packedDetails);
}

export function timedOutStatus(): status.Status {
  return packed(4, 'Timeout', new shared.Timeout(), 'Timeout');
}
