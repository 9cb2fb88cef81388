/** Two nodes that decide the very same at the same revision, without an id: each is carried out on what is there. */

import t from 'tap';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import { SchemaRegistry, withSchemas } from '../../../src/runtime/event-store/schema-checked-store.js';
import { openSqliteEventStore } from '../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect } from '../../support/events.js';
import { ManualClock } from '../../support/manual-clock.js';
import { account, pay } from './account.js';

t.test('what another node has stored meanwhile is not taken for its own', async (t) => {
  const store = withSchemas(openSqliteEventStore(':memory:'), new SchemaRegistry([account]));
  t.teardown(() => store.close());
  const [a, b] = [1_000, 2_000].map(
    (now) => new ActorSystem({ store, clock: new ManualClock(now), shared: true }),
  );
  if (a === undefined || b === undefined) throw new Error('two nodes');
  await a.execute(account, 'a', pay(1));
  await b.read(account, 'a');
  await a.execute(account, 'a', pay(5));
  await a.execute(account, 'a', pay(7));
  const paid = await b.execute(account, 'a', pay(5));
  t.match(paid, { revision: 3, duplicate: false });
  t.equal(paid.snapshot.context.sum, 18);
  t.equal((await collect(store.readStream('account-a'))).length, 4);
});

t.test('its own, whose first answer was lost, is', async (t) => {
  const kept = openSqliteEventStore(':memory:');
  const twice = delegating(kept, {
    append: async (...parameters) => {
      await kept.append(...parameters);
      return await kept.append(...parameters);
    },
  });
  const store = withSchemas(twice, new SchemaRegistry([account]));
  t.teardown(() => store.close());
  const system = new ActorSystem({ store, clock: new ManualClock(1_000), shared: true });
  t.match(await system.execute(account, 'a', pay(5)), { revision: 0 });
  t.match(await system.execute(account, 'a', pay(5)), { revision: 1 });
  t.equal((await system.read(account, 'a')).snapshot.context.sum, 10);
});
