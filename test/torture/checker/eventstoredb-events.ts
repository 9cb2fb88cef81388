/** The events of an EventStoreDB as the checker reads them, with the server's own client library. */

import { setTimeout as pause } from 'node:timers/promises';
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

/**
 * Makes a stream one that nobody can read on: an event that owl does not know. The server may be in trouble at the moment: the
 * event has one id, however often it is sent.
 */
export async function poisonAt(connectionString: string, stream: string): Promise<void> {
  const poison = {
    id: crypto.randomUUID(),
    contentType: 'application/json',
    type: 'Poison',
    data: {},
    metadata: { time: 0 },
  } as const;
  for (let left = MOST_TRIES; ; left--) {
    const client = EventStoreDBClient.connectionString(connectionString);
    try {
      const answered = client.appendToStream(stream, [poison]).then(() => true);
      // The client waits for ever for an answer that was lost.
      if (await Promise.race([answered, pause(ANSWER_WITHIN_MS, false)])) return;
      answered.catch(() => undefined);
      if (left === 0) throw new Error(`the store took no poison for ${stream}`);
    } catch (error) {
      if (left === 0) throw error;
      await pause(BETWEEN_TRIES_MS);
    } finally {
      await client.dispose();
    }
  }
}

const MOST_TRIES = 60;
const ANSWER_WITHIN_MS = 2_000;
const BETWEEN_TRIES_MS = 250;
