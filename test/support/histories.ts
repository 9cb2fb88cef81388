/** Histories to copy from store to store, and what two stores have in common. */

import type { EventStore, RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import { collect, propose } from './events.js';

/** Fills a store with so many events in every one of so many streams, interleaved; the metadata tells them apart. */
export async function fill(
  store: EventStore,
  { streams, eventsPerStream }: { readonly streams: number; readonly eventsPerStream: number },
): Promise<void> {
  for (let n = 0; n < eventsPerStream; n++) {
    const appends = Array.from({ length: streams }, (_, i) =>
      store.append(`history-${i}`, n === 0 ? 'noStream' : n - 1, [
        propose(
          { n, text: 'ä “ 😀 \n', deep: { b: [1, { z: null, a: true }], a: 0.1 } },
          {
            version: 1 + (n % 3),
            type: n % 2 === 0 ? 'Even' : 'Odd',
            metadata: {
              time: 1_600_000_000_000 + n * 1_000 + i,
              $correlationId: `c-${i}`,
              $causationId: `a-${n}`,
              ...(n % 2 === 0 && { commandId: `command-${n}`, by: 'overlord' }),
            },
          },
        ),
      ]),
    );
    await Promise.all(appends);
  }
}

type Copied = Omit<RecordedEvent, 'position'>;

/** All that a copy keeps, by stream and in the order of each stream. */
export async function contentOf(store: EventStore): Promise<Readonly<Record<string, readonly Copied[]>>> {
  const streams: Record<string, Copied[]> = {};
  for (const { position: _, ...event } of await collect(store.readAll())) {
    const events = streams[event.stream] ?? [];
    streams[event.stream] = events;
    events.push(event);
  }
  return streams;
}
