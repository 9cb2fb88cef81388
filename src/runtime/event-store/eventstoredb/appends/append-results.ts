/** What an append is answered, from what the server says or from what stands in the stream. */

import { OwlError, RevisionConflictError } from '../../../../base/errors.js';
import type {
  AppendResult,
  ExpectedRevision,
  Position,
  ProposedEvent,
  RecordedEvent,
  StreamName,
} from '../../event-store.js';
import type { StoredEvent } from '../reads/event-codec.js';

interface Sent {
  readonly stream: StreamName;
  readonly events: readonly ProposedEvent[];
}

export function sameEvents(proposed: readonly ProposedEvent[], stored: readonly StoredEvent[]): boolean {
  return proposed.length === stored.length && proposed.every(({ id }, i) => id === stored[i]?.event.id);
}

export function isRepeated({ mark }: { readonly mark: string }, stored: readonly StoredEvent[]): boolean {
  return stored.some(({ append }) => append !== mark);
}

/** Without reading: every event gets the position of the last one. */
export function newResult(
  { stream, events }: Sent,
  revision: number,
  position: Position | undefined,
): AppendResult {
  if (position === undefined) throw new TypeError('an append without a position must be read back');
  const first = revision - events.length + 1;
  const recorded = events.map(({ id, type, version, data, metadata }, index) => ({
    position,
    stream,
    revision: first + index,
    id,
    type,
    version,
    data,
    metadata,
  }));
  return { revision, position, events: recorded, duplicate: false };
}

export function resultOf(stored: readonly StoredEvent[], duplicate: boolean): AppendResult {
  const events: readonly RecordedEvent[] = stored.map(({ event }) => event);
  const last = events.at(-1);
  if (last === undefined) throw new TypeError('an append has at least one event');
  return { revision: last.revision, position: last.position, events, duplicate };
}

export function conflict(stream: StreamName, expected: ExpectedRevision, actual: number | null): OwlError {
  return expected === 'any' ? partlyThere(stream) : new RevisionConflictError(stream, expected, actual);
}

export function partlyThere(stream: StreamName): OwlError {
  return new OwlError(
    'conflict',
    `stream ${stream} already holds some of these events, but not all in this order; read it and decide again`,
  );
}
