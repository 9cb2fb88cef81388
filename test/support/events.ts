/** Events and streams to test stores with. Guarantees that no two tests make the same names. */

import { randomUUID } from 'node:crypto';
import type { ErrorKind } from '../../src/base/errors.js';
import type {
  JsonObject,
  ProposedEvent,
  RecordedEvent,
  SubscriptionBatch,
} from '../../src/runtime/event-store/event-store.js';

/** A category that nobody has used. */
export function freshCategory(): string {
  return `c_${randomUUID().replaceAll('-', '')}`;
}

/** A stream that nobody has used. */
export function freshStream(category = freshCategory()): string {
  return `${category}-${randomUUID()}`;
}

export function propose(data: JsonObject = {}, change: Partial<ProposedEvent> = {}): ProposedEvent {
  return {
    id: randomUUID(),
    type: 'Counted',
    version: 1,
    data,
    metadata: { time: 1_700_000_000_123, $correlationId: 'correlation', $causationId: 'causation' },
    ...change,
  };
}

/** Events with `n` from `first` on. */
export function proposeMany(count: number, first = 0): ProposedEvent[] {
  return Array.from({ length: count }, (_, i) => propose({ n: first + i }));
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Reads a subscription until it has given so many events, or until `enough` says so of a batch. Leaves it then. */
export async function follow(
  batches: AsyncIterable<SubscriptionBatch>,
  enough: number | ((batch: SubscriptionBatch) => boolean),
): Promise<{ readonly events: RecordedEvent[]; readonly batches: SubscriptionBatch[] }> {
  const events: RecordedEvent[] = [];
  const seen: SubscriptionBatch[] = [];
  for await (const batch of batches) {
    seen.push(batch);
    events.push(...batch.events);
    if (typeof enough === 'number' ? events.length >= enough : enough(batch)) break;
  }
  return { events, batches: seen };
}

export function idsOf(events: readonly ProposedEvent[]): string[] {
  return events.map(({ id }) => id);
}

/** Of each event, the given field of its data. */
export function valuesOf(events: readonly ProposedEvent[], field = 'n'): unknown[] {
  return events.map(({ data }) => data[field]);
}

/** Matches any OwlError of the kind, whichever class it is. */
export function ofKind(kind: ErrorKind): { readonly name: RegExp; readonly kind: ErrorKind } {
  return { name: /Error$/, kind };
}
