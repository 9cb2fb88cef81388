/** The event store of a round: the file of the node itself, or a double of EventStoreDB that speaks its protocol. */

import { join } from 'node:path';
import { EventStoreDbNode } from '../../support/eventstoredb-node/node.js';
import { eventsAt, poisonAt } from '../checker/eventstoredb-events.js';
import { eventsIn, poison } from '../checker/sqlite-files.js';
import type { Found } from '../checker/stored-event.js';
import type { Place } from './place.js';

export type StoreName = 'sqlite' | 'eventstoredb';

export interface Store {
  readonly name: StoreName;
  /** As the node's configuration names it. */
  readonly setting: string;
  /** The double, where it is one. */
  readonly server: EventStoreDbNode | undefined;
  /** Where the node keeps its read models. */
  readonly readModels: string;
  /** The node must have ended. */
  events(): AsyncIterable<Found> | Iterable<Found>;
  /** Makes a stream one that nobody can read on. The node must have ended. @param end its last revision @returns since which one */
  poison(stream: string, end: number): Promise<number>;
  close(): Promise<void>;
}

export async function openStore(name: StoreName, place: Pick<Place, 'node'>): Promise<Store> {
  const file = join(place.node, 'owl.db');
  if (name === 'sqlite')
    return {
      name,
      setting: 'embedded',
      server: undefined,
      readModels: file,
      events: () => eventsIn(file),
      poison: async (stream, end) => {
        poison(file, stream);
        return end;
      },
      close: async () => undefined,
    };
  const server = await new EventStoreDbNode().start();
  return {
    name,
    // A short deadline: what the server never answers is to be noticed within the round.
    setting: `${server.connectionString}&defaultDeadline=2000`,
    server,
    readModels: join(place.node, 'read-models.db'),
    events: () => eventsAt(server.connectionString),
    poison: async (stream, end) => {
      await poisonAt(server.connectionString, stream);
      return end + 1;
    },
    close: () => server.stop(),
  };
}
