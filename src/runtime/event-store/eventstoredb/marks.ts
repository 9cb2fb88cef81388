/**
 * Marks in EventStoreDB: a stream for each name, of which the server keeps the newest record alone (see `Marks`).
 *
 * Guarantees: their records are of a type that begins with $, as those of the server itself, and no read of events lets those
 * through, also of owl's versions before; the name of their stream is none that an actor can have. Of two writers the server
 * lets one through.
 */

import { Backoff } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import type { JsonObject, Mark, Marks, StreamName } from '../event-store.js';
import { consume } from './connection/calls.js';
import type { Connection } from './connection/connection.js';
import { appendRecord, keepNewest } from './own-records.js';
import { objectIn } from './reads/event-codec.js';
import { readStreamRequest } from './reads/read-requests.js';

const TYPE = '$owl-mark';
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
      await keepNewest(this.connection, stream, 1);
    }
    const expected = instead?.revision ?? 'noStream';
    const answer = await appendRecord(this.connection, stream, expected, TYPE, value);
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
      if (this.clock.monotonic() + pause >= deadline) return;
      await connection.pause(pause);
    }
  }
}

/** Without a dash, so that it is of no category. */
function streamOf(name: string): StreamName {
  return `owl_mark:${name.replaceAll('-', '%2D')}`;
}
