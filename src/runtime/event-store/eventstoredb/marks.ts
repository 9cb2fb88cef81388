/**
 * Marks in EventStoreDB: a stream for each name, of which the server keeps the newest record alone (see `Marks`).
 *
 * Guarantees: their records are of a type that begins with $, as those of the server itself, and no read of events lets those
 * through, also of owl's versions before; the name of their stream is none that an actor can have. Of two writers the server
 * lets one through.
 */

import { randomUUID } from 'node:crypto';
import { Backoff } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { StoreUnavailableError } from '../../../base/errors.js';
import type { JsonObject, Mark, Marks, StreamName } from '../event-store.js';
import type { WireEvent, WriteAnswer } from './appends/append-messages.js';
import { appendSingly } from './appends/single-append.js';
import { CallError, explain } from './connection/call-error.js';
import { consume } from './connection/calls.js';
import type { Connection } from './connection/connection.js';
import { metadataStreamOf, objectIn } from './reads/event-codec.js';
import { readStreamRequest } from './reads/read-requests.js';

const TYPE = '$owl-mark';
/** The server keeps what a stream's metadata says of it in records of this type. */
const METADATA_TYPE = '$metadata';
const NEWEST_ONLY = { $maxCount: 1 };
const CATCH_UP = { firstMs: 10, longestMs: 200 };

export class EventStoreDbMarks implements Marks {
  private readonly connection: Connection;
  private readonly clock: Clock;
  private readonly checkOpen: () => void;

  /** @param checkOpen throws when the store is closed */
  constructor(connection: Connection, clock: Clock, checkOpen: () => void) {
    this.connection = connection;
    this.clock = clock;
    this.checkOpen = checkOpen;
  }

  async read(name: string): Promise<Mark | undefined> {
    this.checkOpen();
    const stream = streamOf(name);
    const request = readStreamRequest({ stream, direction: 'backwards', from: undefined, count: 1 });
    return this.connection.repeat(`read the mark ${name}`, async (link, deadline) => {
      let newest: Mark | undefined;
      await consume(link.read(request, deadline), link.closed, (message) => {
        if (message.kind !== 'record') return true;
        const { revision, data } = message.record;
        newest = { revision, value: objectIn(data) };
        return false;
      });
      return newest;
    });
  }

  async write(name: string, value: JsonObject, instead: Mark | undefined): Promise<boolean> {
    this.checkOpen();
    const stream = streamOf(name);
    // Before the first record, so that none is without it.
    if (instead === undefined) {
      await this.append(metadataStreamOf(stream), 'any', METADATA_TYPE, NEWEST_ONLY);
    }
    const answer = await this.append(stream, instead?.revision ?? 'noStream', TYPE, value);
    const revision = answer.stored ? answer.revision : answer.actual;
    if (revision !== null) await this.untilReadable(name, revision);
    return answer.stored;
  }

  /** The server decides on all that is written, and readers see what is indexed: behind by milliseconds usually. */
  private async untilReadable(name: string, revision: number): Promise<void> {
    const { connection } = this;
    const deadline = connection.deadline();
    const backoff = new Backoff(CATCH_UP);
    while (((await this.read(name))?.revision ?? -1) < revision) {
      const pause = backoff.next();
      if (this.clock.now() + pause >= deadline) return;
      await connection.pause(pause);
    }
  }

  private async append(
    stream: StreamName,
    expected: number | 'any' | 'noStream',
    type: string,
    value: JsonObject,
  ): Promise<WriteAnswer> {
    const { connection } = this;
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
}

/** Without a dash, so that it is of no category. */
function streamOf(name: string): StreamName {
  return `owl_mark:${name.replaceAll('-', '%2D')}`;
}

function recordOf(type: string, value: JsonObject): WireEvent {
  const data = Buffer.from(JSON.stringify(value), 'utf8');
  const metadata = Buffer.from('{}', 'utf8');
  return { id: randomUUID(), type, data, metadata, size: data.length + metadata.length + type.length + 200 };
}
