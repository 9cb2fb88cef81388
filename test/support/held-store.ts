/** An event store whose subscriptions can be held back, batch by batch: how tests look at what is half done. */

import { delegating } from '../../src/runtime/event-store/delegating-store.js';
import type { EventStore, SubscribeOptions } from '../../src/runtime/event-store/event-store.js';

export interface HeldStore {
  readonly store: EventStore;
  /** From now on new subscriptions give a batch only when it may pass. Those under way go on. */
  shut(): void;
  /** A batch is there and may not pass. */
  waiting(): boolean;
  /** So many further batches may pass; default: all. */
  pass(batches?: number): void;
}

export function holdingBack(store: EventStore): HeldStore {
  let isShut = false;
  let allowed = 0;
  let goOn: (() => void) | undefined;
  return {
    shut: () => {
      isShut = true;
    },
    waiting: () => goOn !== undefined,
    pass: (batches = Number.POSITIVE_INFINITY) => {
      allowed += batches;
      goOn?.();
      goOn = undefined;
    },
    store: delegating(store, {
      subscribe: async function* (options?: SubscribeOptions) {
        const isHeld = isShut;
        for await (const batch of store.subscribe(options)) {
          if (isHeld && allowed === 0) {
            await new Promise<void>((resolve) => {
              goOn = resolve;
            });
          }
          if (isHeld) allowed -= 1;
          yield batch;
        }
      },
    }),
  };
}
