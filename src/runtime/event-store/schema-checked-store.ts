/**
 * Event schemas at the store's door (rule 8 of the architecture): what is appended fits its schema, and what is read has
 * the shape of the current version, whoever reads it.
 *
 * Guarantees:
 * - an append whose events do not fit is refused as a whole, before the store sees it, naming event type, field and rule;
 * - no event is larger than LARGEST_EVENT_BYTES, which every store takes. Larger ones of before are read, copied and kept;
 * - every read path brings older versions up to the current one, step by step. Events that are current pass as they are;
 * - what one reader can't read, none reads. That is decided here and nowhere else: an event that is damaged, of an unknown
 *   type, of a newer version or with data that does not fit, and a stream that lacks a part of its events;
 * - for an actor, a history and a redrive, such an event ends `readStream` with a DamagedStreamError at its place: what comes
 *   before it is given, what comes behind it is not. That is no passing trouble, so it is a refusal;
 * - `readAll` and `subscribe` give it as it was stored and `SchemaRegistry.problemOf` says what is wrong with it, so that a
 *   projection, a reactor or the timers park its stream and go on with the rest.
 */

import { DamagedStreamError, messageOf, OwlError } from '../../base/errors.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import { tellAppend } from '../life-cycle/telling.js';
import { type CheckData, compileCheck } from './data-check.js';
import { delegating } from './delegating-store.js';
import type { EventSchemas } from './event-schema.js';
import { sizeProblem } from './event-size.js';
import {
  CUT_OFF,
  categoryOf,
  type EventStore,
  type JsonObject,
  ORDER_ACCEPTED,
  type ProposedEvent,
  type ReadStreamOptions,
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

/** No fields: what there is to say stands in the metadata. */
const NOTHING: CompiledSchema = { version: 1, check: compileCheck({}), upcasts: {} };

/** The schemas of all event types, by category and type. Made once, from the actor types. */
export class SchemaRegistry {
  private readonly categories = new Map<string, ReadonlyMap<string, CompiledSchema>>();
  /** Remembered only as long as someone holds the event. */
  private readonly problems = new WeakMap<RecordedEvent, string>();
  private readonly damageListeners = new Set<(stream: StreamName) => void>();

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
    for (const event of events) {
      const { type, version, data } = event;
      const schema = schemas.get(type);
      const problem =
        schema === undefined
          ? 'is not among the events of its actor type; declare it there'
          : schema.version === version
            ? (schema.check(data) ?? sizeProblem(event))
            : `has version ${version}, but the current one is ${schema.version}`;
      if (problem !== undefined) throw new OwlError('invalid', `event ${category}/${type} ${problem}`);
    }
  }

  /**
   * The event in its current version: itself where it is current, and also where it can't be read, with the reason kept
   * for `problemOf`.
   */
  upcast(event: RecordedEvent): RecordedEvent {
    try {
      const schema = this.categories.get(categoryOf(event.stream))?.get(event.type);
      if (event.damage !== undefined) throw new Error(event.damage);
      if (schema?.version !== event.version) return { ...event, ...bringUp(schema, event) };
      const problem = schema.check(event.data, 'read');
      if (problem !== undefined) throw new Error(`it ${problem}`);
    } catch (error) {
      this.problems.set(event, problemAt(event, messageOf(error)));
    }
    return event;
  }

  /** Why an event that a registry's store gave can't be used; undefined for a good one. */
  problemOf(event: RecordedEvent): string | undefined {
    return this.problems.get(event);
  }

  /** Hears of every stream that a subscription finds damaged: what is known of it may rest on what is gone. */
  onDamage(listener: (stream: StreamName) => void): void {
    this.damageListeners.add(listener);
  }

  /** The event as `upcast` gives it. One that can't be used is told to those who listen. */
  upcastSubscribed(event: RecordedEvent): RecordedEvent {
    const current = this.upcast(event);
    if (this.problems.has(current)) for (const listener of this.damageListeners) listener(event.stream);
    return current;
  }

  /** @throws DamagedStreamError */
  upcastOrThrow(event: RecordedEvent): RecordedEvent {
    const current = this.upcast(event);
    const problem = this.problems.get(current);
    if (problem !== undefined) throw new DamagedStreamError(event.stream, event.revision, problem);
    return current;
  }
}

/** A store whose appends are checked and whose events are current, in front of any adapter. */
export function withSchemas(store: EventStore, registry: SchemaRegistry, lifeCycle?: LifeCycle): EventStore {
  return delegating(store, {
    async append(stream, expected, events, options) {
      registry.check(stream, events);
      const appending = store.append(stream, expected, events, options);
      tellAppend(lifeCycle, stream, events.length, appending);
      const result = await appending;
      // Only what had been stored before can be of an older version.
      if (!result.duplicate) return result;
      return { ...result, events: result.events.map((event) => registry.upcastOrThrow(event)) };
    },
    async *readStream(stream, options) {
      const revisions = new Revisions(stream, options);
      for await (const event of store.readStream(stream, options)) {
        revisions.follow(event);
        yield registry.upcastOrThrow(event);
      }
    },
    async *readAll(options) {
      for await (const event of store.readAll(options)) yield registry.upcast(event);
    },
    async *subscribe(options) {
      for await (const batch of store.subscribe(options)) yield upcastBatch(batch, registry);
    },
  });
}

/** Sees to it that no revision is left out. */
class Revisions {
  private readonly stream: StreamName;
  private readonly step: 1 | -1;
  /** Undefined before the first event of a stream that is read from its end. */
  private next: number | undefined;

  constructor(stream: StreamName, { direction = 'forwards', from }: ReadStreamOptions = {}) {
    this.stream = stream;
    this.step = direction === 'forwards' ? 1 : -1;
    this.next = direction === 'forwards' ? (from ?? 0) : undefined;
  }

  /** @throws DamagedStreamError */
  follow({ revision }: RecordedEvent): void {
    const { stream, step, next = revision } = this;
    if (revision !== next) {
      const [lowest, highest] = step === 1 ? [next, revision - 1] : [revision + 1, next];
      throw new DamagedStreamError(
        stream,
        lowest,
        `stream ${stream} lacks its events from revision ${lowest} to ${highest}: somebody deleted them or cut them off; bring them back where they are stored, or go on under another id`,
      );
    }
    this.next = revision + step;
  }
}

/** Live batches hold current events nearly always: then nothing is copied. */
function upcastBatch(batch: SubscriptionBatch, registry: SchemaRegistry): SubscriptionBatch {
  let changed: RecordedEvent[] | undefined;
  batch.events.forEach((event, i) => {
    const current = registry.upcastSubscribed(event);
    if (current === event) return;
    changed ??= [...batch.events];
    changed[i] = current;
  });
  return changed === undefined ? batch : { ...batch, events: changed };
}

function problemAt(event: RecordedEvent, problem: string): string {
  const { stream, revision, position, type } = event;
  if (type === CUT_OFF) return problem;
  return `event ${categoryOf(stream)}/${type} at revision ${revision} of ${stream} (position ${position}) can't be read: ${problem}. Until that is mended, nothing behind it counts and the stream takes nothing more; then \`owl node redrive\` goes on from there`;
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
  const problem = schema.check(data, 'read');
  if (problem !== undefined) throw new Error(`upcast from version ${event.version}, it ${problem}`);
  return { version: schema.version, data };
}

function compileSchemas(category: string, schemas: EventSchemas): ReadonlyMap<string, CompiledSchema> {
  if (schemas[ORDER_ACCEPTED] !== undefined)
    throw new OwlError('invalid', `event ${category}/${ORDER_ACCEPTED} is the runtime's own; rename yours`);
  const compiled = new Map<string, CompiledSchema>([[ORDER_ACCEPTED, NOTHING]]);
  for (const [type, { version, fields, upcasts = {} }] of Object.entries(schemas)) {
    for (let older = 1; older < version; older++) {
      if (upcasts[older] === undefined) {
        throw new OwlError(
          'invalid',
          `event ${category}/${type} is at version ${version} but has no upcast from version ${older}; add it`,
        );
      }
    }
    try {
      compiled.set(type, { version, check: compileCheck(fields), upcasts });
    } catch (error) {
      throw new OwlError('invalid', `event ${category}/${type} ${messageOf(error)}`, { cause: error });
    }
  }
  return compiled;
}
