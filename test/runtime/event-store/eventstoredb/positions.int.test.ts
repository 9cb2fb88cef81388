/** Where subscriptions of EventStoreDB go on: behind the position they are given, whatever stands there. */

import { credentials } from '@grpc/grpc-js';
import t from 'tap';
import type { Position } from '../../../../src/runtime/event-store/event-store.js';
import { consume } from '../../../../src/runtime/event-store/eventstoredb/connection/calls.js';
import { StreamsClient } from '../../../../src/runtime/event-store/eventstoredb/connection/protocol.js';
import { positionOf } from '../../../../src/runtime/event-store/eventstoredb/reads/positions.js';
import { subscribeRequest } from '../../../../src/runtime/event-store/eventstoredb/reads/read-requests.js';
import {
  collect,
  follow,
  freshCategory,
  freshStream,
  proposeMany,
  valuesOf,
} from '../../../support/events.js';
import { TransactionLog } from '../../../support/eventstoredb-node/transaction-log.js';
import { openStore, startNode } from '../../../support/eventstoredb-stores.js';

/** Today's servers, and those before 24.2. */
const SERVERS = [
  ['a server that goes on exactly there', []],
  ['a server that leaves out a record where none stands', ['exactResume']],
] as const;

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

/** The position that begins with the record at the given one, as a server tells it of a page in which nothing matched. */
const before = (position: Position) => position.slice(0, 16) + '0'.repeat(16);

for (const [server, without] of SERVERS) {
  await t.test(server, async (t) => {
    await t.test('gives what follows a position, be there a record or not', async (t) => {
      const node = await startNode(t, { without });
      const store = await openStore(t, node);
      const [stream, elsewhere] = [freshStream(), freshStream()];
      const { position: outdated } = await store.append(elsewhere, 'noStream', proposeMany(1));
      const { events } = await store.append(stream, 'noStream', proposeMany(3));
      const [first, second, last] = events.map(({ position }) => position);
      if (first === undefined || second === undefined || last === undefined)
        throw new Error('three are stored');
      for (const record of node.log.records.slice(0, 3)) node.log.index.scavenge(record);
      for (const [after, wanted] of [
        [outdated, [0, 1, 2]],
        [before(outdated), [0, 1, 2]],
        [before(first), [0, 1, 2]],
        [first, [1, 2]],
        [before(second), [1, 2]],
        [last, []],
      ] as const) {
        const { events: followed } = await follow(store.subscribe({ after }), ({ caughtUp }) => caughtUp);
        t.strictSame(valuesOf(followed), wanted, `a subscription after ${after}`);
        t.strictSame(valuesOf(await collect(store.readAll({ after }))), wanted, `a read after ${after}`);
      }
    });

    await t.test('is what the double is', async (t) => {
      const node = await startNode(t, { without });
      const store = await openStore(t, node);
      const { events } = await store.append(freshStream(), 'noStream', proposeMany(3));
      const [, second, third] = events.map(({ position }) => position);
      if (second === undefined || third === undefined) throw new Error('three are stored');
      const client = new StreamsClient(
        `${node.address.host}:${node.address.port}`,
        credentials.createInsecure(),
      );
      t.teardown(() => client.close());
      const firstAfter = async (after: Position) => {
        let found: Position | undefined;
        const call = client.read(subscribeRequest(after, { on: 'eventType', regex: '.*' }));
        await consume(call, new AbortController().signal, (message) => {
          found = positionOf(message.getEvent()?.getEvent());
          return found === undefined;
        });
        return found;
      };
      t.equal(await firstAfter(second), third);
      t.equal(await firstAfter(before(second)), without.length === 0 ? second : third);
    });

    await t.test('from every checkpoint it goes on with no gap and nothing twice', async (t) => {
      const node = await startNode(t, { without, log: new TransactionLog({ byCategory: true }) });
      const store = await openStore(t, node);
      const category = freshCategory();
      for (let n = 0; n < 6; n++) {
        await store.append(`${category}-1`, 'any', proposeMany(1, n));
        await store.append(freshStream(), 'any', proposeMany(n === 2 ? 900 : 130));
      }
      const options = { categories: [category] };
      const { events } = await follow(store.subscribe(options), 6);
      // What follows a long while in which nothing matches is late, so that what was told in it can be seen.
      node.faults.holdSubscriptions(BigInt(`0x${events[3]?.position.slice(0, 16)}`));
      const { batches } = await follow(
        store.subscribe(options),
        ({ checkpoint }) => checkpoint === before(checkpoint),
      );
      node.faults.releaseSubscriptions();
      t.ok(
        batches.flatMap((batch) => batch.events).length <= 3,
        'where nothing matches, the beginning of a page is told',
      );
      const all = await follow(store.subscribe(options), ({ caughtUp }) => caughtUp);
      t.strictSame(valuesOf(all.events), upTo(6));
      const checkpoints = new Set([...batches, ...all.batches].map(({ checkpoint }) => checkpoint));
      for (const after of checkpoints) {
        const rest = events.filter(({ position }) => position > after);
        const resumed = await follow(store.subscribe({ ...options, after }), ({ caughtUp }) => caughtUp);
        t.strictSame(resumed.events, rest, `after ${after}`);
      }
    });
  });
}
