/** Actors whose events hold lists and maps: what they consume live, after a restart and on repeated orders. On both stores. */

import { pino } from 'pino';
import t from 'tap';
import { assign, setup } from 'xstate';
import { openDatabase } from '../../../src/base/sqlite.js';
import { ActorSnapshots } from '../../../src/runtime/actors/actor-snapshots.js';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import type { ActorType, Command } from '../../../src/runtime/actors/actor-type.js';
import {
  type EventSchemas,
  type EventsOf,
  listOf,
  mapOf,
  optional,
  record,
} from '../../../src/runtime/event-store/event-schema.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { STORES } from '../../support/both-stores.js';
import { collect, ofKind } from '../../support/events.js';
import { ManualClock } from '../../support/manual-clock.js';

const events = {
  FilesAdded: {
    version: 1,
    fields: {
      files: listOf(record({ name: 'text', size: 'int64' })),
      labels: optional(mapOf('text')),
    },
  },
} as const satisfies EventSchemas;

type FilesAdded = EventsOf<typeof events>;

const machine = setup({
  types: {} as { context: { bytes: string; newest: string; region: string }; events: FilesAdded },
}).createMachine({
  id: 'dataset',
  context: { bytes: '0', newest: '', region: '' },
  on: {
    FilesAdded: {
      guard: ({ event }) => event.data.files.length > 0,
      actions: assign(({ context, event: { data } }) => ({
        bytes: String(data.files.reduce((sum, { size }) => sum + BigInt(size), BigInt(context.bytes))),
        newest: data.files.at(-1)?.name ?? context.newest,
        region: data.labels?.['region'] ?? context.region,
      })),
    },
  },
});

const dataset: ActorType<typeof machine> = { category: 'dataset', version: 1, machine, events };

function add(data: FilesAdded['data'], id?: string): Command<typeof machine> {
  return {
    ...(id !== undefined && { id, asks: { name: 'add', content: { ...data } } }),
    decide: () => [{ type: 'FilesAdded', data }],
  };
}

for (const [name, open] of Object.entries(STORES)) {
  await t.test(name, async (t) => {
    const store = withSchemas(await open(t), new SchemaRegistry([dataset]));
    const db = openDatabase(':memory:');
    t.teardown(() => db.close());
    const start = () =>
      new ActorSystem({
        store,
        clock: new ManualClock(1_700_000_000_000),
        snapshots: new ActorSnapshots(db, pino({ level: 'silent' })),
      });
    const files = [
      { name: 'a', size: '9007199254740993' },
      { name: 'b', size: '1' },
    ];
    const expected = { bytes: '9007199254740994', newest: 'b', region: 'north' };
    const first = start();
    const order = { files, labels: { region: 'north', z: '' } };
    const result = await first.execute(dataset, 'a', add(order, 'order 1'));
    t.strictSame(result.snapshot.context, expected);

    const same = add({ files, labels: { z: '', region: 'north' } }, 'order 1');
    t.match(
      await first.execute(dataset, 'a', same),
      { duplicate: true, revision: 0 },
      'keys in another order',
    );
    const other = add({ files: files.toReversed(), labels: order.labels }, 'order 1');
    await t.rejects(first.execute(dataset, 'a', other), ofKind('exists'), 'a list in another order');

    const bad = add({ files: [files[0] ?? { name: '', size: '' }, { name: 'c', size: '01' }] });
    const message = /dataset\/FilesAdded has "01" in the field files\[1\]\.size/;
    await t.rejects(first.execute(dataset, 'a', bad), { ...ofKind('invalid'), message });
    const large = add({
      files: Array.from({ length: 1_000 }, () => ({ name: 'n'.repeat(2_000), size: '1' })),
    });
    await t.rejects(first.execute(dataset, 'a', large), {
      ...ofKind('invalid'),
      message: /an event takes at most 1048576/,
    });

    const again = start();
    t.match(await again.execute(dataset, 'a', same), { duplicate: true, revision: 0 }, 'after a restart');
    const more = await again.execute(dataset, 'a', add({ files: [{ name: 'c', size: '-1' }] }));
    t.strictSame(more.snapshot.context, { ...expected, bytes: '9007199254740993', newest: 'c' });
    t.strictSame(
      (await collect(store.readStream('dataset-a'))).map(({ data }) => data['files']),
      [files, [{ name: 'c', size: '-1' }]],
    );
  });
}
