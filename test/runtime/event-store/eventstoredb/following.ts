/** A subscription that a test looks at while it runs. It ends with the test. */

import type { Test } from 'tap';
import type {
  EventStore,
  RecordedEvent,
  SubscriptionBatch,
} from '../../../../src/runtime/event-store/event-store.js';

export interface Following {
  readonly events: RecordedEvent[];
  readonly batches: SubscriptionBatch[];
  /** Rejects when the subscription does. */
  readonly ended: Promise<void>;
}

/** Follows one category. */
export function followAll(t: Test, store: EventStore, category: string): Following {
  const abort = new AbortController();
  const events: RecordedEvent[] = [];
  const batches: SubscriptionBatch[] = [];
  const ended = (async () => {
    for await (const batch of store.subscribe({
      categories: [category],
      signal: abort.signal,
      batchSize: 16,
    })) {
      events.push(...batch.events);
      batches.push(batch);
    }
  })();
  t.teardown(async () => {
    abort.abort();
    await ended;
  });
  return { events, batches, ended };
}
