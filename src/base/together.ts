/** Work on several things at a time that belong together: it is done with all of them, or comes to nothing. */

import { limitConcurrency } from './limit-concurrency.js';

export interface TogetherOptions {
  readonly atOnce: number;
  readonly signal: AbortSignal;
}

/**
 * What the work gives for each, in their order. Once one has failed no other begins, and the others are told to end; nothing goes on
 * any more when this resolves or rejects.
 * @throws the signal's reason, or what failed first
 */
export async function together<Item, Done>(
  items: readonly Item[],
  { atOnce, signal }: TogetherOptions,
  work: (item: Item, index: number, signal: AbortSignal) => Promise<Done>,
): Promise<Done[]> {
  if (items.length === 1) return await alone(items, signal, work);
  const gate = limitConcurrency(atOnce);
  const broken = new AbortController();
  const either = AbortSignal.any([signal, broken.signal]);
  const outcomes = await Promise.allSettled(
    items.map((item, index) =>
      gate(async () => {
        either.throwIfAborted();
        return await work(item, index, either);
      }).catch((error: unknown) => {
        broken.abort(error);
        throw error;
      }),
    ),
  );
  signal.throwIfAborted();
  return outcomes.map((outcome) => {
    if (outcome.status === 'fulfilled') return outcome.value;
    throw broken.signal.reason;
  });
}

/** What makes the others end costs more than many a work on one, which has none. */
async function alone<Item, Done>(
  items: readonly Item[],
  signal: AbortSignal,
  work: (item: Item, index: number, signal: AbortSignal) => Promise<Done>,
): Promise<Done[]> {
  signal.throwIfAborted();
  try {
    return await Promise.all(items.map((item, index) => work(item, index, signal)));
  } finally {
    signal.throwIfAborted();
  }
}
