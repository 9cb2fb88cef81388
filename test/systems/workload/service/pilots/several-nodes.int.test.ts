/** Two nodes on one store, a store that is away, and who may report for whom. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { addAccess } from '../../../../../src/node/access/access-file.js';
import { startNode as startStore } from '../../../../support/eventstoredb-stores.js';
import { until } from '../../../../support/until.js';
import { PilotsClient } from '../../support/clients.js';
import { startPilot } from '../../support/synthetic-pilot.js';
import { startWorkload, type WorkloadNode } from '../../support/workload-node.js';

async function typesOf(node: WorkloadNode, uid: string): Promise<string[]> {
  return (await node.eventsOf(uid)).map(({ type }) => type);
}

t.test('on two nodes each job is queued, granted and finished once, wherever it is asked for', async (t) => {
  const { connectionString: store } = await startStore(t);
  const [a, b] = [await startWorkload(t, { store }), await startWorkload(t, { store })];
  const pilots = [
    await startPilot(t, a, { name: 'p1', slots: 4 }),
    await startPilot(t, b, { name: 'p2', slots: 4 }),
  ];
  const uids = Array.from({ length: 24 }, (_, n) => `j${n}`);
  const done = new Set<string>();
  const refusals: string[] = [];
  for (const pilot of pilots)
    pilot.onHint = async (uid) => {
      const { grant, reason = '' } = await pilot.claim(uid);
      if (grant === undefined) {
        refusals.push(reason);
        return;
      }
      await pilot.started(grant);
      await pilot.finished(grant);
      done.add(uid);
    };
  for (const [n, uid] of uids.entries()) await (n % 2 === 0 ? a : b).createJob(uid);
  await until('all have finished', () => done.size === uids.length);
  const types = ['JobCreated', 'JobQueued', 'JobClaimed', 'JobStarted', 'JobFinished'];
  for (const uid of uids) t.strictSame(await typesOf(a, uid), types, uid);
  t.strictSame(
    refusals.filter((reason) => reason !== 'claimed' && reason !== 'done'),
    [],
    'what both were hinted is refused to one',
  );
});

t.test(
  'a session that attached at another node is over at the first, and its claims go on there',
  async (t) => {
    const { connectionString: store } = await startStore(t);
    const [a, b] = [await startWorkload(t, { store }), await startWorkload(t, { store })];
    const pilot = await startPilot(t, a, { name: 'p1' });
    await a.createJob('j1');
    const grant = await pilot.take('j1');
    const anew = await startPilot(t, b, { name: 'p1' });
    await until('the first hears of it', () => pilot.ended !== undefined);
    t.match(await pilot.started(grant), { is_success: false, reason: 'stale_session' });
    t.match(await anew.started(grant), { is_success: true });
    t.match(await anew.finished(grant), { is_success: true });
  },
);

t.test('while the store is away reports wait to be told again, and nothing is lost', async (t) => {
  const double = await startStore(t);
  const node = await startWorkload(t, { store: double.connectionString });
  const pilot = await startPilot(t, node);
  await node.createJob('j1');
  const grant = await pilot.take('j1');
  await double.stop();
  t.match(await pilot.finished(grant), { is_success: false, retryable: true });
  await double.start();
  await until('it is taken', async () => (await pilot.finished(grant)).is_success === true);
  t.match(await pilot.finished(grant), { is_success: true }, 'told once more');
  t.strictSame((await typesOf(node, 'j1')).slice(2), ['JobClaimed', 'JobFinished']);
});

t.test('a credential that is limited to a pilot speaks for no other', async (t) => {
  const node = await startWorkload(t);
  const pilot = await startPilot(t, node, { name: 'p1' });
  const token = await addAccess(node.data, { name: 'm2', roles: ['worker'], workerId: 'p2' });
  const file = join(node.data, 'm2.token');
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const client = new PilotsClient({ server: node.node.address, credentials: { token: { file } } });
  t.teardown(() => client.close());
  const { session } = pilot;
  await t.rejects(client.work({ pilot: 'p1', session_id: session }, new AbortController().signal).next(), {
    message: /m2 may speak for the worker p2 alone/,
  });
  const stream = client.report();
  const answered = new Promise((resolve, reject) => {
    stream.on('data', resolve);
    stream.on('error', reject);
  });
  stream.write({ seq: 1, pilot: 'p1', session_id: session, sample: {} });
  t.match(await answered, {
    answers: [{ seq: 1, retryable: true, msg: /may speak for the worker p2 alone/ }],
  });
  stream.cancel();
  await t.rejects(client.call('pilot_drain', { id: 'p1' }), { message: /m2 may not do this/ });
});
