/**
 * Event schemas at the store's door (rule 8 of the architecture): what is appended fits its schema, and what is read has
 * the shape of the current version, whoever reads it.
 *
 * Guarantees:
 * - an append whose events do not fit is refused as a whole, before the store sees it, naming event type and field;
 * - every read path brings older versions up to the current one, step by step. Events that are current pass as they are;
 * - an event that can't be read (unknown type, newer version, an upcast that fails) ends `readStream` with an error, for
 *   an actor can't be rebuilt without it. `readAll` and `subscribe` give it as it was stored and `SchemaRegistry.problemOf`
 *   says what is wrong with it, so that a projector parks it and goes on.
 */

import { messageOf, OwlError } from '../errors.js';
import type { EventSchemas } from '../event-schema.js';
import { type CheckData, compileCheck } from './data-check.js';
import {
  categoryOf,
  type EventStore,
  type JsonObject,
  type ProposedEvent,
  type RecordedEvent,
  type StreamName,
  type SubscriptionBatch,
} from './event-store.js';

type Upcast = (data: JsonObject) => JsonObject;

interface CompiledSchema {
  readonly version: number;
  readonly check: CheckData;
  readonly upcasts: Readonly<Record<number, Upcast>>;
}

/** The schemas of all event types, by category and type. Made once, from the actor types. */
export class SchemaRegistry {
  private readonly categories = new Map<string, ReadonlyMap<string, CompiledSchema>>();
  /** Remembered only as long as someone holds the event. */
  private readonly problems = new WeakMap<RecordedEvent, string>();

  /** @throws OwlError kind `invalid` for a category given twice or a version without a way to the current one */
  constructor(actorTypes: readonly { readonly category: string; readonly events: EventSchemas }[]) {
    for (const { category, events } of actorTypes) {
      if (this.categories.has(category)) {
        throw new OwlError('invalid', `two actor types have the category ${category}; rename one`);
      }
      this.categories.set(category, compileSchemas(category, events));
    }
  }

  /** @throws OwlError kind `invalid` naming the event type and the field */
  check(stream: StreamName, events: readonly ProposedEvent[]): void {
    const category = categoryOf(stream);
    const schemas = this.categories.get(category);
    if (schemas === undefined) {
      throw new OwlError('invalid', `no actor type has the category ${category} of stream ${stream}`);
    }
    for (const { type, version, data } of events) {
      const schema = schemas.get(type);
      const problem =
        schema === undefined
          ? 'is not among the events of its actor type; declare it there'
          : schema.version === version
            ? schema.check(data)
            : `has version ${version}, but the current one is ${schema.version}`;
      if (problem !== undefined) throw new OwlError('invalid', `event ${category}/${type} ${problem}`);
    }
  }

  /**
   * The event in its current version: itself where it is current, and also where it can't be read, with the reason kept
   * for `problemOf`.
   */
  upcast(event: RecordedEvent): RecordedEvent {
    const category = categoryOf(event.stream);
    const schema = this.categories.get(category)?.get(event.type);
    if (schema?.version === event.version) return event;
    try {
      return { ...event, ...bringUp(schema, event) };
    } catch (error) {
      this.problems.set(
        event,
        `event ${category}/${event.type} at revision ${event.revision} of ${event.stream} can't be read: ${messageOf(error)}`,
      );
      return event;
    }
  }

  /** Why an event that a registry's store gave can't be used; undefined for a good one. */
  problemOf(event: RecordedEvent): string | undefined {
    return this.problems.get(event);
  }

  /** @throws OwlError kind `unavailable`: another node, with newer code, may be able to read it */
  upcastOrThrow(event: RecordedEvent): RecordedEvent {
    const current = this.upcast(event);
    const problem = this.problems.get(current);
    if (problem !== undefined) throw new OwlError('unavailable', problem);
    return current;
  }
}

/** A store whose appends are checked and whose events are current, in front of any adapter. */
export function withSchemas(store: EventStore, registry: SchemaRegistry): EventStore {
  return {
    async append(stream, expected, events) {
      registry.check(stream, events);
      const result = await store.append(stream, expected, events);
      // Only what had been stored before can be of an older version.
      if (!result.duplicate) return result;
      return { ...result, events: result.events.map((event) => registry.upcastOrThrow(event)) };
    },
    async *readStream(stream, options) {
      for await (const event of store.readStream(stream, options)) yield registry.upcastOrThrow(event);
    },
    async *readAll(options) {
      for await (const event of store.readAll(options)) yield registry.upcast(event);
    },
    async *subscribe(options) {
      for await (const batch of store.subscribe(options)) yield upcastBatch(batch, registry);
    },
    head: () => store.head(),
    shareOf: (position, end) => store.shareOf(position, end),
    close: () => store.close(),
  };
}

/** Live batches hold current events nearly always: then nothing is copied. */
function upcastBatch(batch: SubscriptionBatch, registry: SchemaRegistry): SubscriptionBatch {
  let changed: RecordedEvent[] | undefined;
  batch.events.forEach((event, i) => {
    const current = registry.upcast(event);
    if (current === event) return;
    changed ??= [...batch.events];
    changed[i] = current;
  });
  return changed === undefined ? batch : { ...batch, events: changed };
}

function bringUp(
  schema: CompiledSchema | undefined,
  event: RecordedEvent,
): Pick<RecordedEvent, 'version' | 'data'> {
  if (schema === undefined) throw new Error('this code knows no such event; update owl');
  if (event.version > schema.version) {
    throw new Error(
      `its version ${event.version} is newer than ${schema.version}, which this code knows; update owl`,
    );
  }
  let { data } = event;
  for (let version = event.version; version < schema.version; version++) {
    const upcast = schema.upcasts[version];
    if (upcast === undefined) throw new Error(`there is no upcast from version ${version}`);
    data = upcast(data);
  }
  const problem = schema.check(data);
  if (problem !== undefined) throw new Error(`upcast from version ${event.version}, it ${problem}`);
  return { version: schema.version, data };
}

function compileSchemas(category: string, schemas: EventSchemas): ReadonlyMap<string, CompiledSchema> {
  const compiled = new Map<string, CompiledSchema>();
  for (const [type, { version, fields, upcasts = {} }] of Object.entries(schemas)) {
    for (let older = 1; older < version; older++) {
      if (upcasts[older] === undefined) {
        throw new OwlError(
          'invalid',
          `event ${category}/${type} is at version ${version} but has no upcast from version ${older}; add it`,
        );
      }
    }
    compiled.set(type, { version, check: compileCheck(fields), upcasts });
  }
  return compiled;
}
