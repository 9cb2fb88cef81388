/** The events of an EventStoreDB as the checker reads them, with the server's own client library. */

import { EventStoreDBClient } from '@eventstore/db-client';
import { type Found, readEvent } from './stored-event.js';

const text = (bytes: unknown): string =>
  bytes instanceof Uint8Array ? Buffer.from(bytes).toString('utf8') : JSON.stringify(bytes ?? null);

/** All events of owl, in order of position. */
export async function* eventsAt(connectionString: string): AsyncGenerator<Found> {
  const client = EventStoreDBClient.connectionString(connectionString);
  try {
    for await (const { event } of client.readAll({ direction: 'forwards', fromPosition: 'start' })) {
      if (event === undefined || event.type.startsWith('$') || event.streamId.startsWith('$')) continue;
      const place = {
        stream: event.streamId,
        revision: Number(event.revision),
        position: event.position?.commit ?? 0n,
        id: event.id,
        type: event.type,
      };
      yield readEvent(place, text(event.data), text(event.metadata));
    }
  } finally {
    await client.dispose();
  }
}

/** Makes a stream one that nobody can read on: an event that owl does not know. */
export async function poisonAt(connectionString: string, stream: string): Promise<void> {
  const client = EventStoreDBClient.connectionString(connectionString);
  try {
    await client.appendToStream(stream, [
      {
        id: crypto.randomUUID(),
        contentType: 'application/json',
        type: 'Poison',
        data: {},
        metadata: { time: 0 },
      },
    ]);
  } finally {
    await client.dispose();
  }
}
