/** What a test of the contract is given: a store, and how to open it again. */

import type { Test } from 'tap';
import type { EventStore } from '../../src/runtime/event-store/event-store.js';

export interface OpenedStore {
  readonly store: EventStore;
  /** Closes the store and opens the same data again: in place, or with a new client. */
  reopen(): Promise<EventStore>;
  /** True when the store was not empty, or when others write to it meanwhile. */
  readonly shared?: boolean;
}

/** Opens a store for one test, which must be closed again (also what was reopened) in the teardown of that test. */
export type OpenStore = (t: Test) => Promise<OpenedStore>;
