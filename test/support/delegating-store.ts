/** An event store with some of its methods replaced: how tests disturb a real one. */

import type { EventStore } from '../../src/runtime/event-store/event-store.js';

export function delegating(store: EventStore, other: Partial<EventStore>): EventStore {
  return {
    append: (...parameters) => store.append(...parameters),
    readStream: (...parameters) => store.readStream(...parameters),
    readAll: (...parameters) => store.readAll(...parameters),
    subscribe: (...parameters) => store.subscribe(...parameters),
    marks: store.marks,
    holds: (event) => store.holds(event),
    head: () => store.head(),
    shareOf: (position, end) => store.shareOf(position, end),
    close: () => store.close(),
    ...other,
  };
}
