/**
 * An event store with some of its methods replaced: what stands in front of an adapter is made of this, so that what is not
 * replaced, abilities that not every adapter has included, is the adapter's own.
 */

import type { EventStore } from './event-store.js';

export function delegating(store: EventStore, other: Partial<EventStore>): EventStore {
  return {
    append: (...parameters) => store.append(...parameters),
    readStream: (...parameters) => store.readStream(...parameters),
    readAll: (...parameters) => store.readAll(...parameters),
    subscribe: (...parameters) => store.subscribe(...parameters),
    marks: store.marks,
    knowsAllStreams: store.knowsAllStreams,
    holds: (event) => store.holds(event),
    head: () => store.head(),
    shareOf: (position, end) => store.shareOf(position, end),
    close: () => store.close(),
    ...other,
  };
}
