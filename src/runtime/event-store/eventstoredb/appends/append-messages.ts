/** An append as it goes to the server and what comes back, the same for both calls that the protocol has for it. */

import type { EventMetadata, ExpectedRevision, JsonObject, Position, StreamName } from '../../event-store.js';
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
  readonly data: Buffer;
  readonly metadata: Buffer;
  /** Bytes of all of it, roughly. */
  readonly size: number;
}

/** An event on its way, and as it will come back. */
export interface SentEvent {
  readonly stream: StreamName;
  readonly version: number;
  /** As JSON gives it back. */
  readonly data: JsonObject;
  /** Undefined where it lacks something that is filled in when it is read. */
  readonly metadata: EventMetadata | undefined;
  readonly wire: WireEvent;
}

/** The server's answer; what is neither of these comes as a CallError. */
export type WriteAnswer =
  | { readonly stored: true; readonly revision: number; readonly position: Position | undefined }
  | { readonly stored: false /** Null when the stream is empty. */; readonly actual: number | null };

export function expectSingle(
  options: streams.AppendReq.Options,
  expected: ExpectedRevision,
): streams.AppendReq.Options {
  if (expected === 'any') return options.setAny(new shared.Empty());
  if (expected === 'noStream') return options.setNoStream(new shared.Empty());
  if (expected === 'streamExists') return options.setStreamExists(new shared.Empty());
  return options.setRevision(String(expected));
}
