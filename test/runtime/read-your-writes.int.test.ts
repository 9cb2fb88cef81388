/** What a query waits for: the events of its read models, and no others. */

import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { systemClock } from '../../src/base/clock.js';
import { delegating } from '../../src/runtime/event-store/delegating-store.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type { Projection } from '../../src/runtime/read-models/projection.js';
import { openRuntime } from '../../src/runtime/runtime.js';
import { ofKind } from '../support/events.js';
import { acquire, create, permits, semaphore } from '../support/semaphore.js';

const others: Projection = {
  name: 'others',
  version: 1,
  categories: ['other'],
  table: 'others',
  createTable: (table) => `CREATE TABLE ${table} (stream TEXT NOT NULL) STRICT`,
  indexes: [],
  writer: () => ({ apply: () => undefined }),
};

t.test('a query waits for no read model whose events this node has not written', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(path);
  // Hears nothing more behind what was stored, as where the store tells only now and then how far it is; so it reads by itself.
  const deaf = delegating(store, {
    async *subscribe(options = {}) {
      const isOther = options.categories?.join() === 'other';
      for await (const batch of store.subscribe(options)) {
        if (!isOther) yield batch;
        else if (batch.checkpoint <= before) yield { ...batch, caughtUp: false };
      }
    },
  });
  await store.append('other-1', 'noStream', [
    {
      id: crypto.randomUUID(),
      type: 'Other',
      version: 1,
      data: {},
      metadata: { time: 0, $correlationId: 'c', $causationId: 'c' },
    },
  ]);
  const before = await store.head();
  const runtime = openRuntime({
    store: deaf,
    databasePath: path,
    actorTypes: [semaphore],
    projections: [permits, others],
    clock: systemClock,
    logger: pino({ level: 'silent' }),
    queryWaitMs: 2_000,
  });
  await runtime.start();
  t.teardown(async () => {
    await runtime.close();
    await store.close();
  });
  await runtime.readYourWrites();
  await runtime.system.execute(semaphore, 's', create(2));
  await runtime.system.execute(semaphore, 's', acquire('holder', Date.now() + 60_000));
  await runtime.readYourWrites();
  const row = runtime.db.prepare('SELECT state FROM permits WHERE holder = ?').get('holder');
  t.equal(row?.['state'], 'held', 'its own is there');
  await t.rejects(runtime.readYourWrites(undefined, await store.head()), ofKind('unavailable'));
});
