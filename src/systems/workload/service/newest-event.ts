/**
 * What came first of two things that no stream has both of.
 *
 * Guarantee: by the order of the store: times of events are the wall's, and that may be set, in both directions.
 */

import type { EventStore, RecordedEvent, StreamName } from '../../../runtime/event-store/event-store.js';

/** @param type Default: whatever it is. @throws StoreUnavailableError; DamagedStreamError */
export async function newestEvent(
  store: Pick<EventStore, 'readStream'>,
  stream: StreamName,
  type?: string,
): Promise<RecordedEvent | undefined> {
  const limit = type === undefined ? { limit: 1 } : {};
  for await (const event of store.readStream(stream, { direction: 'backwards', ...limit }))
    if (type === undefined || event.type === type) return event;
  return undefined;
}
