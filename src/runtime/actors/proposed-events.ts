/**
 * What a command has decided, as events to append. Pure.
 *
 * Guarantees: the same decision at the same revision gives the same ids, so a store knows one that comes again; nobody can change
 * what is in them, for the store, its subscribers and whoever has sent the command share it.
 */

import type { EventSchemas } from '../event-store/event-schema.js';
import {
  type JsonObject,
  ORDER_ACCEPTED,
  type ProposedEvent,
  type StreamName,
} from '../event-store/event-store.js';
import { contentCommandId, eventIdOf } from '../event-store/ids.js';
import { MOST_LEVELS } from '../event-store/json-levels.js';
import type { AnyCommand, DomainEvent } from './actor-type.js';
import { askedBy } from './command-memory.js';

export interface DecidedEvents {
  readonly command: AnyCommand;
  readonly events: readonly DomainEvent[];
  /** Kept with the last event of a command that can be sent again. */
  readonly answer: JsonObject | undefined;
  readonly stream: StreamName;
  /** That it was decided at. */
  readonly revision: number;
  readonly schemas: EventSchemas;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

export function proposedEvents(decided: DecidedEvents): ProposedEvent[] {
  const { command, events, answer, stream, revision, schemas, now } = decided;
  const asked = askedBy(command);
  // An order that changes nothing is not forgotten either.
  const stored = events.length === 0 && asked !== undefined ? [{ type: ORDER_ACCEPTED, data: {} }] : events;
  if (stored.length === 0) return [];
  const commandId = command.id ?? contentCommandId(stream, revision, events);
  const metadata = {
    time: now,
    $correlationId: command.correlationId ?? commandId,
    $causationId: commandId,
    ...(command.id === undefined ? {} : { commandId }),
    ...(asked === undefined ? {} : { asked }),
    ...(command.by === undefined ? {} : { by: command.by }),
  };
  // Whoever sent the command is given an answer of its own.
  const withAnswer =
    answer === undefined || command.id === undefined
      ? metadata
      : { ...metadata, answer: frozen(structuredClone(answer)) };
  return stored.map(({ type, data }, index) => ({
    id: eventIdOf(commandId, stream, revision + 1 + index, index),
    type,
    version: schemas[type]?.version ?? 1,
    data: frozen(data),
    metadata: index === stored.length - 1 ? withAnswer : metadata,
  }));
}

/** What is too deep to be stored is refused by the store. */
export function frozen<T>(value: T, levels = MOST_LEVELS): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || levels === 0) return value;
  Object.freeze(value);
  for (const name in value) if (typeof value[name] === 'object') frozen(value[name], levels - 1);
  return value;
}
