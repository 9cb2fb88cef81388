/**
 * The stored events of one actor, for whoever asks what happened.
 *
 * Guarantees: they come in order, from the revision that was asked for, and end where the actor's stream can't be read on, with
 * what is wrong there; the same is told of what lies before that revision. A stream that was never written to is one that
 * does not exist; a revision behind the end of one that exists gives nothing.
 */

import type { AnyStateMachine } from 'xstate';
import { DamagedStreamError, OwlError } from '../../base/errors.js';
import type { ActorSystem } from '../../runtime/actors/actor-system.js';
import type { ActorType } from '../../runtime/actors/actor-type.js';
import { type EventStore, type RecordedEvent, streamName } from '../../runtime/event-store/event-store.js';

export interface HistoryOptions<M extends AnyStateMachine> {
  readonly store: EventStore;
  readonly system: ActorSystem;
  readonly type: ActorType<M>;
  readonly id: string;
  /** The first revision, inclusive. */
  readonly from: number;
  /** How people call such an actor, `task`. */
  readonly noun: string;
  /** What a read model knows of the stream that can't be read, and from which revision on. */
  problemOf(id: string): { readonly revision: number; readonly message: string } | undefined;
}

/** @throws OwlError kind `not_found`; DamagedStreamError */
export async function* historyOf<M extends AnyStateMachine>(
  options: HistoryOptions<M>,
): AsyncGenerator<RecordedEvent> {
  const { store, system, type, id, from, noun, problemOf } = options;
  const stream = streamName(type.category, id);
  // Reading the stream finds what is damaged there; what is damaged before is known to the read model.
  const problem = problemOf(id);
  if (problem !== undefined && problem.revision < from)
    throw new DamagedStreamError(stream, problem.revision, problem.message);
  let known = false;
  for await (const event of store.readStream(stream, { from })) {
    known = true;
    yield event;
  }
  if (known) return;
  const { revision } = await system.read(type, id);
  if (revision < 0) throw new OwlError('not_found', `${noun} ${id} does not exist`);
}

/** An event as it is told on the wire. Seconds since the Unix epoch; the data as JSON. */
export function eventMessageOf(event: RecordedEvent) {
  const { revision, type, version, id, metadata, data, position } = event;
  return {
    revision,
    type,
    version,
    time: metadata.time / 1000,
    event_id: id,
    correlation_id: metadata.$correlationId,
    causation_id: metadata.$causationId,
    by: metadata.by ?? '',
    data: JSON.stringify(data),
    position,
  };
}
