/**
 * What every event store must do. It is written against the port alone, so that an adapter passes when its own test calls
 * `eventStoreContract` and says how to open one. It puts everything under categories of its own making, and so also runs
 * on a store that holds other events.
 */

import type { Test } from 'tap';
import { appendContract } from './event-store-appends.js';
import { dataContract } from './event-store-data.js';
import { idempotencyContract } from './event-store-idempotency.js';
import { marksContract } from './event-store-marks.js';
import { readContract } from './event-store-reads.js';
import { subscriptionContract } from './event-store-subscriptions.js';
import type { OpenStore } from './opened-store.js';

export function eventStoreContract(t: Test, name: string, open: OpenStore): Promise<unknown> {
  return t.test(`${name} keeps the contract of event stores`, async (t) => {
    await t.test('append', (t) => appendContract(t, open));
    await t.test('data', (t) => dataContract(t, open));
    await t.test('append again', (t) => idempotencyContract(t, open));
    await t.test('read', (t) => readContract(t, open));
    await t.test('subscribe', (t) => subscriptionContract(t, open));
    await t.test('marks', (t) => marksContract(t, open));
  });
}
