/** What a node tells of a rebuild that takes long, over its gRPC surface and in `owl node status`, on the embedded store. */

import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/base/clock.js';
import { StoreUnavailableError } from '../../src/base/errors.js';
import { NODE_ACCESS, nodeHandlers } from '../../src/node/node-service.js';
import { startGrpcServer } from '../../src/node/serving/grpc-server.js';
import { delegating } from '../../src/runtime/event-store/delegating-store.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { openRuntime } from '../../src/runtime/runtime.js';
import { NodeClient } from '../../src/wire/node-client.js';
import { loadProto, serviceOf } from '../../src/wire/proto.js';
import { propose } from '../support/events.js';
import { type HeldStore, holdingBack } from '../support/held-store.js';
import { OPEN_TO_ALL } from '../support/open-to-all.js';
import { permits, semaphore } from '../support/semaphore.js';
import { owl } from '../support/terminal-double.js';
import { until } from '../support/until.js';

/** What a subscription gives at once. */
const BATCH = 512;

/** A node without a talent: any runtime and the service that tells of it. */
async function startNode(t: Test, gate: HeldStore, databasePath: string) {
  const logger = pino({ level: 'silent' });
  const runtime = openRuntime({
    store: gate.store,
    databasePath,
    actorTypes: [semaphore],
    projections: [permits],
    clock: systemClock,
    logger,
  });
  await runtime.start();
  const proto = loadProto('runtime');
  const server = await startGrpcServer({
    listen: '127.0.0.1:0',
    services: [
      {
        name: 'owl.Node',
        definition: serviceOf(proto, 'owl.Node'),
        handlers: nodeHandlers({ runtime, workerId: 'node-1', logger }),
        access: NODE_ACCESS,
      },
    ],
    packages: [proto],
    ...OPEN_TO_ALL,
    logger,
  });
  const client = new NodeClient({ server: server.address });
  t.teardown(async () => {
    client.close();
    await server.stop(1_000);
    await runtime.close();
    await gate.store.close();
  });
  return { runtime, client, run: (...args: string[]) => owl(args, { env: { OWL_SERVER: server.address } }) };
}

t.test('a rebuild says how far it is, beside the read model that serves', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const gate = holdingBack(openSqliteEventStore(path));
  const events = Array.from({ length: 4 * BATCH }, (_, n) =>
    propose({ holder: `holder-${n}` }, { type: 'PermitAwaited' }),
  );
  await gate.store.append('semaphore-s', 'noStream', events);
  const { runtime, client, run } = await startNode(t, gate, path);
  await runtime.caughtUp();
  await until('it tells so', async () => (await client.status()).caught_up === true);
  t.match(await client.status(), { share: 1, readers: [{ name: 'permits', share: 1, rebuild: undefined }] });
  t.notMatch((await run('node', 'status')).stdout, 'REBUILD');

  gate.shut();
  gate.pass(1);
  const rebuilding = run('node', 'rebuild', 'permits');
  await until('it stands in its middle', () => gate.waiting());
  const status = await client.status();
  t.match(status, { caught_up: true, share: 1 });
  t.strictSame(status.readers, [
    {
      name: 'permits',
      kind: 'projection',
      checkpoint: '0000000000002048',
      head: '0000000000002048',
      caught_up: true,
      behind_seconds: 0,
      parked: 0,
      last_error: '',
      share: 1,
      rebuild: { share: 0.25, checkpoint: '0000000000000512', head: '0000000000002048', last_error: '' },
    },
  ]);
  const { stdout } = await run('node', 'status');
  t.match(stdout, /^read models +hold all that is stored$/m);
  t.match(stdout, /^READER +KIND +READ +LAG +REBUILD +PARKED/m);
  t.match(stdout, /^permits +projection +100\.0% +none +25\.0% +0 /m);
  t.match(JSON.parse((await run('node', 'status', '--json')).stdout), {
    share: 1,
    readers: [{ share: 1, rebuild: { share: 0.25 } }],
  });

  gate.pass();
  t.match((await rebuilding).stdout, /^permits was rebuilt in /);
  await until('it serves', async () => (await client.status()).caught_up === true);
  t.match(await client.status(), { share: 1, readers: [{ share: 1, rebuild: undefined }] });
});

t.test('a node that has not reached its store yet tells no share', async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(path);
  let isAway = true;
  const gate = holdingBack(
    delegating(store, {
      head: () =>
        isAway ? Promise.reject(new StoreUnavailableError('it is away', 'refused')) : store.head(),
    }),
  );
  const { client, run } = await startNode(t, gate, path);
  await until('it has looked for the store', async () => {
    const { readers = [] } = await client.status();
    return readers.every(({ last_error }) => last_error === 'it is away');
  });
  const status = await client.status();
  t.equal(status.share, undefined);
  t.match(status.readers, [{ name: 'permits', share: undefined, caught_up: false }]);
  const { stdout } = await run('node', 'status');
  t.match(stdout, /^read models +are behind what is stored$/m);
  isAway = false;
  await until('it is whole', async () => (await client.status()).share === 1);
});
