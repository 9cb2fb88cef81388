/** What health checks say of a talent that answers but can't do its work, and what such a talent still answers. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../../src/base/sqlite.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { NodeClient } from '../../../../src/wire/node-client.js';
import { healthOf } from '../../../support/health.js';
import { type LogLines, logLines } from '../../../support/log-lines.js';
import { loadTalentConfig, startTalent } from '../../../support/start-talent.js';
import { orderFor } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';

interface Node {
  readonly address: string;
  readonly client: PlotManagerClient;
  readonly node: NodeClient;
  readonly log: LogLines;
  /** Nothing is applied to this read model any more, until it is let go on. */
  hold(readModel: string): void;
  letGoOn(): void;
}

async function start(t: Test): Promise<Node> {
  const data = join(t.testdir(), 'data');
  const config = loadTalentConfig({ env: {}, cwd: '/', flags: { data, listen: '127.0.0.1:0' } });
  const log = logLines();
  const talent = await startTalent({ config, logger: log.logger, queryWaitMs: 1_000 });
  const { address } = talent;
  const client = new PlotManagerClient({ server: address });
  const node = new NodeClient({ server: address });
  const db = openDatabase(join(data, 'owl.db'));
  t.teardown(async () => {
    client.close();
    node.close();
    db.close();
    await talent.stop();
  });
  return {
    address,
    client,
    node,
    log,
    hold: (readModel) =>
      db.exec(`CREATE TRIGGER hold BEFORE UPDATE ON checkpoints WHEN NEW.reader = '${readModel}'
        BEGIN SELECT RAISE(ABORT, 'held by the test'); END`),
    letGoOn: () => db.exec('DROP TRIGGER hold'),
  };
}

t.test('while every query is refused health says so, the node why, and writes go on', async (t) => {
  const { address, client, node, log, hold, letGoOn } = await start(t);
  t.match(await client.create(orderFor('a')), { is_success: true });
  t.match(await client.status({ task_id: 'a' }), { existed: true });
  t.equal(await healthOf(address), 'SERVING');
  t.equal((await node.status()).not_serving ?? '', '');

  hold('plot_tasks');
  t.match(await client.create(orderFor('b')), { is_success: true }, 'writes are taken');
  await until('health says so', async () => (await healthOf(address)) === 'NOT_SERVING');
  t.match((await node.status()).not_serving, /read models don't hold yet.*held by the test/);
  await t.rejects(client.status({ task_id: 'b' }), { kind: 'unavailable', message: /held by the test/ });
  const session = { worker_id: 'w', session_id: 's' };
  await client.attach(session);
  t.match(
    await client.supervisors(),
    { supervisors: [{ worker_id: 'w' }] },
    'what rests on another is answered',
  );

  letGoOn();
  await until('it serves again', async () => (await healthOf(address)) === 'SERVING');
  t.match(await client.status({ task_id: 'b' }), { existed: true });
  t.equal((await node.status()).not_serving ?? '', '');
  const told = log.messages('warn').filter((message) => message.startsWith('health'));
  t.same(told, ['health says NOT_SERVING'], 'once, however many queries were refused');
});

t.test('a read model that stands still makes wait only who asks for it', async (t) => {
  const { address, client, node, hold } = await start(t);
  await client.attach({ worker_id: 'w', session_id: 's' });
  await client.supervisors();
  hold('supervisors');
  await client.detach({ worker_id: 'w', session_id: 's' });
  t.match(await client.create(orderFor('a')), { is_success: true });
  t.match(await client.status({ task_id: 'a' }), { existed: true });
  t.match(await client.list({}), { tasks: [{ task_id: 'a' }] });
  await t.rejects(client.supervisors(), { kind: 'unavailable', message: /held by the test/ });
  t.equal(await healthOf(address), 'SERVING');
  t.equal((await node.status()).not_serving ?? '', '');
});
