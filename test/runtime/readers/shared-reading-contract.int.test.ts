/** The contract of subscriptions holds through a shared reading, where catching up meets what others have read. */

import t from 'tap';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { sharedReading } from '../../../src/runtime/readers/shared-reading.js';
import { subscriptionContract } from '../../contract/event-store-subscriptions.js';
import type { OpenStore } from '../../contract/opened-store.js';
import { onNode } from '../../support/eventstoredb-stores.js';

/** As the store, each subscription through a shared reading that it is the only one of. */
function seamed(open: OpenStore): OpenStore {
  const through = (store: EventStore) =>
    delegating(store, {
      subscribe: (options) => sharedReading(store, options?.categories ?? []).subscribe(options),
    });
  return async (t) => {
    const { store, reopen, ...rest } = await open(t);
    return { ...rest, store: through(store), reopen: async () => through(await reopen()) };
  };
}

await t.test('on EventStoreDB', (t) => subscriptionContract(t, seamed(onNode(() => ({})))));
