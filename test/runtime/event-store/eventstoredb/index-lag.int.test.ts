/** EventStoreDB decides on all that is written, while readers see what is indexed: what that does to appends. */

import t from 'tap';
import { systemClock } from '../../../../src/base/clock.js';
import { ActorSystem } from '../../../../src/runtime/actors/actor-system.js';
import type { ExpectedRevision } from '../../../../src/runtime/event-store/event-store.js';
import { collect, freshStream, idsOf, propose, proposeMany } from '../../../support/events.js';
import { openStore, startNode } from '../../../support/eventstoredb-stores.js';
import { acquire, create, semaphore } from '../../../support/semaphore.js';
import { until } from '../../../support/until.js';

/** Longer than any test takes: neither the patience of the server nor that of the store decides how it ends. */
const PATIENT_MS = 600_000;
const PATIENT_NODE = { commitTimeoutMs: PATIENT_MS };
const PATIENT_STORE = { deadlineMs: PATIENT_MS };

const roads = [
  ['batch append', []],
  ['append', ['batchAppend']],
] as const;
const repeated: readonly [ExpectedRevision, count: number][] = [
  ['noStream', 2],
  [1, 1],
  ['any', 2],
  ['streamExists', 1],
];

for (const [road, without] of roads) {
  await t.test(
    `${road}: a repetition that the server drops without a word is found in the stream`,
    async (t) => {
      for (const [expected, count] of repeated) {
        const node = await startNode(t, { ...PATIENT_NODE, without });
        const one = await openStore(t, node, PATIENT_STORE);
        const other = await openStore(t, node, PATIENT_STORE);
        const stream = freshStream();
        const before = proposeMany(expected === 'noStream' ? 0 : 2);
        if (before.length > 0) await one.append(stream, 'noStream', before);
        const events = proposeMany(count);
        const { changes } = node;
        node.log.index.hold();
        const appends = [one, other, one, other].map((store) => store.append(stream, expected, events));
        await until('the node has all of them', () => node.changes === changes + appends.length);
        node.log.index.release();
        const results = await Promise.all(appends);
        t.equal(results.filter(({ duplicate }) => !duplicate).length, 1, `at ${expected}, one is new`);
        for (const result of results) t.strictSame(result.events, results[0]?.events, 'all get one answer');
        t.strictSame(idsOf(await collect(one.readStream(stream))), idsOf([...before, ...events]));
      }
    },
  );

  await t.test(
    `${road}: of a repetition that is never indexed in time it is not known whether it is stored`,
    async (t) => {
      const node = await startNode(t, { commitTimeoutMs: 1, without });
      const one = await openStore(t, node, PATIENT_STORE);
      const other = await openStore(t, node, PATIENT_STORE);
      const stream = freshStream();
      const events = proposeMany(1);
      node.log.index.hold();
      const first = one.append(stream, 'noStream', events);
      await until('it is written', () => node.changes === 1);
      await t.rejects(other.append(stream, 'noStream', events), {
        name: 'StoreUnavailableError',
        outcome: 'unknown',
      });
      node.log.index.release();
      t.equal((await first).duplicate, false);
      t.equal((await other.append(stream, 'noStream', events)).duplicate, true);
    },
  );
}

await t.test('a conflict is told once readers see what it is with', async (t) => {
  const node = await startNode(t);
  const [one, other] = [await openStore(t, node, PATIENT_STORE), await openStore(t, node, PATIENT_STORE)];
  for (const [expected, actual] of [
    ['noStream', 0],
    [0, 1],
  ] as const) {
    const stream = freshStream();
    if (expected === 0) await one.append(stream, 'noStream', [propose()]);
    node.log.index.hold();
    const { changes } = node;
    const won = one.append(stream, expected, [propose()]);
    await until('it is written', () => node.changes === changes + 1);
    let seen: number | undefined;
    const lost = t.rejects(
      other.append(stream, expected, [propose()]).catch(async (error: unknown) => {
        seen = (await collect(other.readStream(stream))).at(-1)?.revision;
        throw error;
      }),
      { name: 'RevisionConflictError', expected, actual },
    );
    await until('it is decided', () => node.changes === changes + 2);
    const { calls } = node;
    await until('the other one looks whether it can be read', () => node.calls > calls + 2);
    t.equal(seen, undefined, 'nothing is told yet');
    node.log.index.release();
    t.equal((await won).revision, actual);
    await lost;
    t.equal(seen, actual, 'who is told can read on');
  }
});

await t.test('actors of two nodes that race for a stream all get through, though readers lag', async (t) => {
  const node = await startNode(t, PATIENT_NODE);
  node.log.index.lagMs = 100;
  const systems = [];
  for (let n = 0; n < 2; n++) {
    const store = await openStore(t, node, PATIENT_STORE);
    systems.push(new ActorSystem({ store, clock: systemClock, shared: true }));
  }
  await systems[0]?.execute(semaphore, 's', create(100));
  for (let round = 0; round < 4; round++) {
    const commands = systems.map((system, n) =>
      system.execute(semaphore, 's', acquire(`holder ${round}-${n}`, 0)),
    );
    const results = await Promise.all(commands);
    t.ok(results.every(({ duplicate }) => !duplicate));
  }
});
