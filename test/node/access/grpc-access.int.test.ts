/** Who may ask a real node for what over gRPC: the peer without credentials, with a token taken back, with another's worker. */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../src/base/sqlite.js';
import { accessFile, addAccess, localTokenFile, revokeAccess } from '../../../src/node/access/access-file.js';
import type { Role } from '../../../src/node/access/roles.js';
import { Settings } from '../../../src/node/config/config.js';
import { startNode } from '../../../src/node/node.js';
import type { ServedSystem } from '../../../src/node/system.js';
import { SqliteCheck } from '../../../src/runtime/event-store/sqlite/sqlite-check.js';
import { talent } from '../../../src/systems/talent/system.js';
import { PlotManagerClient } from '../../../src/systems/talent/wire/plot-manager-client.js';
import { NodeClient } from '../../../src/wire/node-client.js';
import { PeersClient } from '../../../src/wire/peers-client.js';
import { loadProto, serviceOf } from '../../../src/wire/proto.js';
import { ofKind } from '../../support/events.js';
import { healthOf } from '../../support/health.js';
import { localCredentials } from '../../support/local-credentials.js';
import { logLines } from '../../support/log-lines.js';
import { methodNamed, orderFor } from '../../support/talent-node.js';
import { owl } from '../../support/terminal-double.js';
import { until } from '../../support/until.js';
import { semaphoreSystem } from '../../systems/semaphore/system.js';
import { SemaphoreClient } from '../../systems/semaphore/wire/semaphore-client.js';
import { workersSystem } from '../../systems/workers/system.js';

const SYSTEMS = [talent, semaphoreSystem, workersSystem];

interface World {
  readonly address: string;
  readonly data: string;
  readonly log: ReturnType<typeof logLines>;
  stop(): Promise<void>;
  /** A file with a token of these roles. */
  token(name: string, roles: readonly Role[], workerId?: string): Promise<string>;
  talent(tokenFile?: string): PlotManagerClient;
}

async function world(t: Test, flags: Record<string, string> = {}): Promise<World> {
  const data = join(t.testdir(), 'data');
  const config = new Settings(SYSTEMS).load({
    env: {},
    cwd: '/',
    flags: { data, listen: '127.0.0.1:0', ...flags },
  });
  const log = logLines();
  const node = await startNode({ systems: SYSTEMS, config, logger: log.logger });
  t.teardown(() => node.stop());
  return {
    address: node.address,
    data,
    log,
    stop: () => node.stop(),
    async token(name, roles, workerId) {
      const file = join(t.testdirName, `${name}.token`);
      writeFileSync(file, `${await addAccess(data, { name, roles, workerId })}\n`, { mode: 0o600 });
      return file;
    },
    talent(tokenFile) {
      const shown = tokenFile === undefined ? {} : { credentials: { token: { file: tokenFile } } };
      const client = new PlotManagerClient({ server: node.address, ...shown });
      t.teardown(() => client.close());
      return client;
    },
  };
}

t.test('on this machine talent answers as before, and other systems ask who calls', async (t) => {
  const { address, data, talent: connect } = await world(t);
  t.match(await connect().create(orderFor('task_1')), { is_success: true });
  await connect().attach({ session_id: 's1' });
  const node = new NodeClient({ server: address });
  await t.resolves(node.status());
  await t.rejects(
    node.redrive({ reader: 'none' }),
    ofKind('unauthenticated'),
    'who keeps the node says who he is',
  );
  await t.rejects(node.rebuild({ projection: 'none' }), ofKind('unauthenticated'));
  const keeper = new NodeClient({ server: address, credentials: localCredentials(data) });
  t.teardown(() => keeper.close());
  await t.rejects(keeper.rebuild({ projection: 'none' }), ofKind('not_found'));
  const nobody = new SemaphoreClient({ server: address });
  const owl = new SemaphoreClient({ server: address, credentials: localCredentials(data) });
  await t.rejects(nobody.create({ name: 'gpu', capacity: 1 }), {
    kind: 'unauthenticated',
    message: /needs a token with the role submitter or operator .*OWL_DATA or owl.yaml/,
  });
  await t.resolves(owl.create({ name: 'gpu', capacity: 1 }));
  const peers = new PeersClient({ server: address });
  t.teardown(() => [nobody, owl, peers, node].map((client) => client.close()));
  await t.rejects(peers.list(), ofKind('unauthenticated'));
});

t.test('where it is required, nobody is answered but health checks', async (t) => {
  const { address, data, talent: connect } = await world(t, { access: 'required' });
  const channel = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  t.teardown(() => channel.close());
  const methods = Object.values(serviceOf(loadProto('talent'), 'talent.PlotManager'));
  t.ok(methods.length > 15);
  for (const { path, requestStream, responseStream } of methods) {
    const { requestSerialize, responseDeserialize } = methodNamed(path.split('/')[2] ?? '');
    const error = await new Promise<ServiceError | null>((resolve) => {
      if (requestStream)
        channel
          .makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
          .on('error', resolve)
          .on('data', () => resolve(null));
      else if (responseStream)
        channel
          .makeServerStreamRequest(path, requestSerialize, responseDeserialize, {})
          .on('error', resolve)
          .on('data', () => resolve(null));
      else channel.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, resolve);
    });
    t.equal(error?.code, 16, path);
    t.same(error?.metadata.get('owl-kind'), ['unauthenticated'], path);
  }
  t.equal(await healthOf(address, 'talent'), 'SERVING');
  const status = await owl(['node', 'status'], { env: { OWL_DATA: data, OWL_SERVER: address } });
  t.match(status.stdout, new RegExp(`denied calls +${methods.length} unauthenticated\n`));
  await t.rejects(connect().list({}), ofKind('unauthenticated'));
});

t.test('each role may do its own, and what it may not names the role', async (t) => {
  const { token, talent: connect } = await world(t, { access: 'required' });
  const overlord = connect(await token('overlord', ['submitter']));
  const auditor = connect(await token('auditor', ['reader']));
  t.match(await overlord.create(orderFor('task_1')), { is_success: true });
  t.match(await auditor.status({ task_id: 'task_1' }), { existed: true });
  await t.rejects(auditor.create(orderFor('task_2')), {
    kind: 'forbidden',
    message: 'auditor may not do this: it has reader, and this needs submitter',
  });
  await t.rejects(overlord.attach({ worker_id: 'shed-3', session_id: 's' }), ofKind('forbidden'));
  const [created] = await collect(auditor.history({ task_id: 'task_1' }));
  t.match(created, { by: 'overlord overlord@127.0.0.1' }, 'the history says who it was');
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

t.test('a supervisor that is limited to its machine speaks for that one alone', async (t) => {
  const { token, talent: connect } = await world(t, { access: 'required' });
  const overlord = connect(await token('overlord', ['submitter']));
  for (const worker of ['shed-3', 'shed-4'])
    await overlord.create(orderFor(`task_${worker}`, { worker_id: worker }));
  const shed = connect(await token('shed-3', ['worker', 'reporter'], 'shed-3'));
  await shed.attach({ worker_id: 'shed-3', session_id: 's' });
  const denied = { kind: 'forbidden', message: /may speak for the worker shed-3 alone/ };
  await t.rejects(shed.attach({ worker_id: 'shed-4', session_id: 's' }), denied);
  await t.rejects(shed.attach({ session_id: 's' }), denied, "nor for the node's own");
  await t.rejects(shed.work({ worker_id: 'shed-4', session_id: 's' }).next(), denied);
  await t.rejects(shed.update({ task_id: 'task_shed-4', status: 'pending' }), denied);
  await t.rejects(shed.update({ task_id: 'none', status: 'pending' }), denied);
  t.match(await shed.update({ task_id: 'task_shed-3', status: 'pending' }), { is_success: true });
  const reports = shed.reports();
  t.teardown(() => reports.close());
  t.match(await reports.send({ task_id: 'task_shed-3', status: 'started' }), { is_success: true });
  t.match(await overlord.status({ task_id: 'task_shed-4' }), { status: 'received' }, 'nothing was stored');
  await t.resolves(shed.supervisors(), 'what changes nothing it may ask');
});

t.test(
  'who is taken back is out: calls at once, streams under way as well, and reports are kept',
  async (t) => {
    const { data, token, talent: connect, log } = await world(t, { access: 'required' });
    const file = await token('shed-3', ['worker', 'reporter'], 'shed-3');
    const shed = connect(file);
    const orders = connect(await token('orders', ['submitter']));
    await orders.create(orderFor('task_1', { worker_id: 'shed-3' }));
    await shed.attach({ worker_id: 'shed-3', session_id: 's' });
    const work = shed.work({ worker_id: 'shed-3', session_id: 's' });
    t.match(await work.next(), { value: { kind: 'START' } });
    const reports = shed.reports();
    t.teardown(() => reports.close());
    await reports.send({ task_id: 'task_1', status: 'pending' });
    await revokeAccess(data, 'shed-3');
    await t.rejects(shed.heartbeat({ worker_id: 'shed-3', session_id: 's' }), {
      kind: 'unauthenticated',
      message: /^the token of shed-3 was taken back on /,
    });
    await t.rejects(
      (async () => {
        for await (const _ of work);
      })(),
      ofKind('unauthenticated'),
    );
    const late = reports.send({ task_id: 'task_1', status: 'started' });
    await until(
      'it was denied',
      async () => log.messages('warn').filter((text) => text === 'a call was denied').length >= 3,
    );
    // A new token under the same name, in the same file: nothing is started again for it.
    const anew = { name: 'shed-3', roles: ['worker', 'reporter'], workerId: 'shed-3' } as const;
    writeFileSync(file, `${await addAccess(data, anew)}\n`);
    t.match(await late, { is_success: true }, 'what was to be told arrives');
  },
);

t.test(
  'a denied caller who is known stands in the history, once, also when the node stops then',
  async (t) => {
    const { data, token, talent: connect, stop } = await world(t, { access: 'required' });
    const file = await token('auditor', ['reader']);
    const auditor = connect(file);
    for (let i = 0; i < 5; i++) await t.rejects(auditor.create(orderFor('task_1')), ofKind('forbidden'));
    await t.rejects(connect().list({}), ofKind('unauthenticated'));
    await stop();
    const db = openDatabase(join(data, 'owl.db'));
    const stored = JSON.stringify(await collect(new SqliteCheck(db).readAll()).finally(() => db.close()));
    t.equal(stored.split('"CallDenied"').length, 2);
    t.match(stored, /auditor may not do this/);
    t.notMatch(stored, readFileSync(file, 'utf8').trim());
  },
);

t.test('what is declared without roles does not start', async (t) => {
  const bare: ServedSystem = {
    ...semaphoreSystem,
    service: async () => {
      const side = await semaphoreSystem.service();
      return {
        ...side,
        open: async (node) => {
          const { access: _, ...opened } = await side.open(node, {
            semaphore: { lease_seconds: 1, notify_lease_seconds: 1 },
          });
          return opened;
        },
      };
    },
  };
  const data = join(t.testdir(), 'data');
  const config = new Settings([bare]).load({ env: {}, cwd: '/', flags: { data, listen: '127.0.0.1:0' } });
  await t.rejects(startNode({ systems: [bare], config, logger: logLines().logger }), {
    message: '/semaphore.Semaphores/acquire names no roles: say where it is declared who may ask for it',
  });
});

t.test(
  'where a caller chooses a program nobody is served without credentials, whatever else is open',
  async (t) => {
    const running: ServedSystem = {
      ...semaphoreSystem,
      service: async () => {
        const side = await semaphoreSystem.service();
        return {
          ...side,
          open: async (node) => {
            const opened = await side.open(node, {
              semaphore: { lease_seconds: 1, notify_lease_seconds: 1 },
            });
            const operations = (opened.operations ?? []).map((one) =>
              one.operation.name === 'create'
                ? { ...one, operation: { ...one.operation, choosesProgram: true as const } }
                : one,
            );
            return { ...opened, operations };
          },
        };
      },
    };
    const data = join(t.testdir(), 'data');
    const flags = { data, listen: '127.0.0.1:0', access: 'open' };
    const config = new Settings([running]).load({ env: {}, cwd: '/', flags });
    const node = await startNode({ systems: [running], config, logger: logLines().logger });
    const nobody = new SemaphoreClient({ server: node.address });
    t.teardown(async () => {
      nobody.close();
      await node.stop();
    });
    await t.rejects(nobody.create({ name: 'gpu', capacity: 1 }), ofKind('unauthenticated'));
    t.same(await nobody.permits({ name: 'gpu' }), {}, 'the others are open');
  },
);

/** Starts and stops a node that others can reach, and answers what it warned of. */
function starter() {
  return async (data: string, more: Record<string, string>) => {
    const flags = { data, listen: '0.0.0.0:0', ...more };
    const config = new Settings([talent]).load({ env: {}, cwd: '/', flags });
    const log = logLines();
    const node = await startNode({ systems: [talent], config, logger: log.logger });
    await node.stop();
    return log.messages('warn');
  };
}

/** As a node of before leaves it. */
async function directoryOfBefore(data: string, start: ReturnType<typeof starter>): Promise<string> {
  await start(data, { listen: '127.0.0.1:0' });
  for (const file of [accessFile(data), localTokenFile(data)]) rmSync(file);
  return data;
}

t.test('a node that others can reach does not start unless somebody says who may ask', async (t) => {
  t.testdir();
  const start = starter();
  const fresh = join(t.testdirName, 'fresh');
  await t.rejects(start(fresh, {}), {
    kind: 'refused',
    message:
      /^this node listens on 0\.0\.0\.0:0, which others can reach, .* `access: required` .* `access: open`/,
  });
  await t.rejects(start(fresh, {}), ofKind('refused'), 'nor the second time');
  t.same(await start(fresh, { access: 'open' }), []);
  t.match(await start(fresh, { access: 'required' }), [/plain text: set tls\.cert and tls\.key$/]);
  const old = await directoryOfBefore(join(t.testdirName, 'old'), start);
  const told = [
    /^others can reach this node .* set access \(open or required\), and tls\.cert and tls\.key$/,
  ];
  t.match(await start(old, {}), told, 'it goes on');
  t.match(await start(old, {}), told, 'and says so at each start');
  t.same(await start(old, { access: 'open' }), []);
});

t.test('what was not open before is not opened by an upgrade, nor by a file that is deleted', async (t) => {
  t.testdir();
  const start = starter();
  const local = { listen: '127.0.0.1:0' };
  const old = await directoryOfBefore(join(t.testdirName, 'old'), start);
  t.same(await start(old, local), []);
  await t.rejects(start(old, {}), ofKind('refused'), 'others never reached it');
  const known = join(t.testdirName, 'known');
  await start(known, local);
  rmSync(accessFile(known));
  await t.rejects(start(known, {}), ofKind('refused'), 'it is none of before, whatever was deleted');
});
