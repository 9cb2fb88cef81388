/** An append as it goes to the server and what comes back, the same for both calls that the protocol has for it. */

import type { ExpectedRevision, Position, StreamName } from '../../event-store.js';
import { shared, type streams } from '../connection/protocol.js';

export interface EncodedAppend {
  readonly stream: StreamName;
  readonly expected: ExpectedRevision;
  readonly events: readonly WireEvent[];
}

export interface WireEvent {
  readonly id: string;
  readonly type: string;
  /** JSON in UTF-8. */
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
  /** Bytes of all of it, roughly. */
  readonly size: number;
}

/** The server's answer; what is neither of these comes as a CallError. */
export type WriteAnswer =
  | { readonly stored: true; readonly revision: number; readonly position: Position | undefined }
  | { readonly stored: false /** Null when the stream is empty. */; readonly actual: number | null };

export function expectBatch(
  options: streams.BatchAppendReq.Options,
  expected: ExpectedRevision,
): streams.BatchAppendReq.Options {
  // The protocol's definition says google.protobuf.Empty here, which is the same nothing on the wire.
  if (expected === 'any') return options.setAny(new shared.Empty());
  if (expected === 'noStream') return options.setNoStream(new shared.Empty());
  if (expected === 'streamExists') return options.setStreamExists(new shared.Empty());
  return options.setStreamPosition(String(expected));
}

export function expectSingle(
  options: streams.AppendReq.Options,
  expected: ExpectedRevision,
): streams.AppendReq.Options {
  if (expected === 'any') return options.setAny(new shared.Empty());
  if (expected === 'noStream') return options.setNoStream(new shared.Empty());
  if (expected === 'streamExists') return options.setStreamExists(new shared.Empty());
  return options.setRevision(String(expected));
}
