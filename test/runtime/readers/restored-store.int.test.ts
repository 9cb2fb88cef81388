/**
 * A node whose store is no longer the one it knows: restored from a backup, emptied or replaced. It has to notice, say so
 * and be as if it had never known anything else.
 */

import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { systemClock } from '../../../src/base/clock.js';
import type { SqlRow } from '../../../src/base/sql.js';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { openEventStoreDb } from '../../../src/runtime/event-store/eventstoredb/eventstoredb-store.js';
import { openRuntime, type Runtime } from '../../../src/runtime/runtime.js';
import { TransactionLog } from '../../support/eventstoredb-node/transaction-log.js';
import { openStore, startNode as startServer } from '../../support/eventstoredb-stores.js';
import { type LogLines, logLines } from '../../support/log-lines.js';
import {
  acquire,
  create,
  grantsPermits,
  permits,
  release,
  renew,
  semaphore,
} from '../../support/semaphore.js';
import { until } from '../../support/until.js';
import { firstOf, protocolNode, sqliteStore } from '../support/restorable-stores.js';

const LATER = Date.UTC(2100, 0, 1);
const LOST = /no longer holds what this node has read/;

interface Node {
  readonly runtime: Runtime;
  readonly log: LogLines;
  permits(): SqlRow[];
  timers(): SqlRow[];
  stop(): Promise<void>;
}

async function startNode(t: Test, store: EventStore, databasePath: string): Promise<Node> {
  const log = logLines();
  const runtime = openRuntime({
    store,
    databasePath,
    actorTypes: [semaphore],
    projections: [permits],
    clock: systemClock,
    logger: log.logger,
    shared: true,
    queryWaitMs: 10_000,
  });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= runtime.close().then(() => store.close());
    return stopping;
  };
  t.teardown(stop);
  await runtime.start(async () => [grantsPermits(10 * 60_000)]);
  const rows = (sql: string) =>
    runtime.db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));
  return {
    runtime,
    log,
    stop,
    permits: () => rows('SELECT * FROM permits ORDER BY stream, holder'),
    timers: () => rows('SELECT stream, name, due_at, set_by FROM timers ORDER BY stream, name'),
  };
}

const send = ({ runtime }: Node, id: string, command: ReturnType<typeof acquire>) =>
  runtime.system.execute(semaphore, id, command);

/** `events` events of one semaphore. */
async function use(node: Node, id: string, events: number): Promise<void> {
  await send(node, id, create(2));
  await send(node, id, acquire('first', LATER));
  for (let n = 2; n < events; n++) await send(node, id, renew('first', LATER + n));
}

const lossesIn = ({ log }: Node) => log.messages('error').filter((message) => LOST.test(message));

/** Everything is as on a node that has never known another store, and stays so. */
async function checkAsNew(t: Test, node: Node, fresh: Node): Promise<void> {
  await node.runtime.readYourWrites();
  await fresh.runtime.readYourWrites();
  t.same(node.permits(), fresh.permits());
  t.equal(lossesIn(fresh).length, 0);
  t.equal(lossesIn(node).length, 1, 'told once');

  await send(node, 'new', create(1));
  await send(node, 'new', acquire('holder', LATER));
  await send(node, 'new', acquire('waiting', LATER));
  await send(node, 'new', release('holder'));
  await until('the reactor has granted the permit that became free', async () => {
    await node.runtime.readYourWrites();
    return node.permits().some(({ holder, state }) => holder === 'waiting' && state === 'held');
  });
  await send(node, 'new', renew('waiting', LATER));
  await Promise.all([node.runtime.readYourWrites(), fresh.runtime.readYourWrites()]);
  await until('the fresh node has it too', async () => {
    // The embedded store notices only then what another process has written.
    await fresh.runtime.store.head();
    return fresh.permits().length === node.permits().length;
  });
  t.same(node.permits(), fresh.permits());
  await until('the timers are known', () => node.timers().some(({ stream }) => stream === 'semaphore-new'));
  await until('the timers are the same', () => {
    return JSON.stringify(node.timers()) === JSON.stringify(fresh.timers());
  });
  await node.runtime.projector('permits').rebuild();
  await node.runtime.readYourWrites();
  t.same(node.permits(), fresh.permits(), 'an explicit rebuild changes nothing');
  await until('all have caught up', () => node.runtime.status().caughtUp);
  t.ok(node.runtime.readers().every((reader) => reader.status().lastError === undefined));
}

const cases: readonly [what: string, kept: number, added: number][] = [
  ['restored from an older backup', 12, 0],
  ['restored, and used by others until it was longer than before', 12, 60],
  ['emptied', 0, 0],
  ['emptied and filled with another history', 0, 60],
];

for (const makeStore of [async (_: Test, files: string) => sqliteStore(files), protocolNode]) {
  for (const [what, kept, added] of cases) {
    await t.test(`a store that was ${what}`, async (t) => {
      const files = t.testdir();
      const restorable = await makeStore(t, files);
      t.comment(restorable.kind);
      const before = await startNode(t, await restorable.open(), join(files, 'node.db'));
      await use(before, 'a', 20);
      await use(before, 'b', 20);
      await before.runtime.readYourWrites();
      await until('the reactor has read all', () =>
        before.runtime.readers().every((reader) => reader.status().caughtUp),
      );
      await before.stop();

      await restorable.restore(kept);
      const fresh = await startNode(t, await restorable.open(), join(files, 'fresh.db'));
      if (added > 0) await use(fresh, 'c', added);
      const node = await startNode(t, await restorable.open(), join(files, 'node.db'));
      await checkAsNew(t, node, fresh);

      await node.stop();
      const again = await startNode(t, await restorable.open(), join(files, 'node.db'));
      await again.runtime.readYourWrites();
      t.same(again.log.messages('error'), [], 'after another start nothing is told any more');
      t.notOk(again.log.messages('info').some((message) => message.includes('rebuild')));
    });
  }
}

t.test('a store that is restored while the node runs', async (t) => {
  // The second takes the place of the first; its port is known once it has run.
  const [old, restored] = [await startServer(t), await startServer(t, { log: new TransactionLog() })];
  await restored.stop();
  const { port } = restored.address;
  const files = t.testdir();
  const store = await openEventStoreDb({
    connectionString: old.connectionString.replace('?', `,127.0.0.1:${port}?`),
    logger: pino({ level: 'silent' }),
  });
  const node = await startNode(t, store, join(files, 'node.db'));
  await use(node, 'a', 20);
  await use(node, 'b', 20);
  await node.runtime.readYourWrites();

  await old.stop();
  const { records } = firstOf(old.log, 12);
  for (const record of records.filter(({ stream }) => !stream.startsWith('$'))) {
    restored.log.append(record.stream, 'any', [record]);
  }
  await restored.start();
  await until('the node has noticed', () => lossesIn(node).length > 0);
  await until('it has caught up', () => node.runtime.status().caughtUp);
  t.same((await send(node, 'b', create(5))).revision, 0, 'the live actor knows that it has no history');
  const again = await send(node, 'a', acquire('first', LATER));
  t.match(again, { duplicate: true, revision: 1 }, 'what was carried out before the backup counts');
  t.equal((await node.runtime.system.read(semaphore, 'a')).revision, 11);
  const fresh = await startNode(t, await openStore(t, restored), join(files, 'fresh.db'));
  await checkAsNew(t, node, fresh);
});

t.test('what followed from an event that the backup has, and was lost itself, happens again', async (t) => {
  const files = t.testdir();
  const restorable = sqliteStore(files);
  const before = await startNode(t, await restorable.open(), join(files, 'node.db'));
  await send(before, 'a', create(1));
  await send(before, 'a', acquire('holder', LATER));
  await send(before, 'a', acquire('waiting', LATER));
  await send(before, 'a', release('holder'));
  const granted = async ({ runtime }: Node) => {
    await runtime.readYourWrites();
    return (await runtime.system.read(semaphore, 'a')).revision === 4;
  };
  await until('the reactor has granted it', () => granted(before));
  await before.runtime.readYourWrites();
  await before.stop();
  await restorable.restore(4);
  const node = await startNode(t, await restorable.open(), join(files, 'node.db'));
  await until('the reactor has granted it again', () => granted(node));
  await node.runtime.readYourWrites();
  t.match(node.permits(), [
    { holder: 'holder', state: 'gone' },
    { holder: 'waiting', state: 'held' },
  ]);
});
