/** Records that are no events: marks, and what the metadata of a stream tells the server of it. */

import { randomUUID } from 'node:crypto';
import { StoreUnavailableError } from '../../../base/errors.js';
import type { JsonObject, StreamName } from '../event-store.js';
import type { WireEvent, WriteAnswer } from './appends/append-messages.js';
import { appendSingly } from './appends/single-append.js';
import { CallError, explain } from './connection/call-error.js';
import type { Connection } from './connection/connection.js';
import { metadataStreamOf } from './reads/event-codec.js';

/** The server keeps what a stream's metadata says of it in records of this type. */
const METADATA_TYPE = '$metadata';

/** @throws StoreUnavailableError when it is not known to be written */
export async function appendRecord(
  connection: Connection,
  stream: StreamName,
  expected: number | 'any' | 'noStream',
  type: string,
  value: JsonObject,
): Promise<WriteAnswer> {
  const deadline = connection.deadline();
  const append = { stream, expected, events: [recordOf(type, value)] };
  try {
    const link = await connection.link(deadline);
    return await connection.on(link, () => appendSingly(link, append, deadline));
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    throw new StoreUnavailableError(
      `EventStoreDB has not confirmed ${stream}: ${explain(error)}`,
      error.outcome,
      { cause: error },
    );
  }
}

/** The server drops what is older than so many of its newest records. @throws as above */
export async function keepNewest(connection: Connection, stream: StreamName, records: number): Promise<void> {
  await appendRecord(connection, metadataStreamOf(stream), 'any', METADATA_TYPE, { $maxCount: records });
}

function recordOf(type: string, value: JsonObject): WireEvent {
  const data = Buffer.from(JSON.stringify(value), 'utf8');
  const metadata = Buffer.from('{}', 'utf8');
  return { id: randomUUID(), type, data, metadata, size: data.length + metadata.length + type.length + 200 };
}
