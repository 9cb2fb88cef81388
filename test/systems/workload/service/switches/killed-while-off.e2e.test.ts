/** Splitter off, executor off, and the service killed while they are: what is off stays off, and on again nothing is lost and nothing done twice. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { EventStore } from '../../../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { PeersClient } from '../../../../../src/wire/peers-client.js';
import { openStore, startNode } from '../../../../support/eventstoredb-stores.js';
import { localCredentials } from '../../../../support/local-credentials.js';
import { until } from '../../../../support/until.js';
import { AnyClient, PilotsClient } from '../../support/clients.js';
import { startPilot } from '../../support/synthetic-pilot.js';

// Two starts of a node, and the lease of an executor that was killed.
t.setTimeout(180_000);

const NODE = fileURLToPath(new URL('../../support/run-workload-node.js', import.meta.url));
const MD5 = '0cc175b9c0f1b6a831c399e269772661';
const JOBS = 6;
const FILES = 4;

async function startChild(t: Test, args: readonly string[]) {
  const child = spawn(process.execPath, [NODE, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout }))
    if (line.startsWith('ready ')) return { process: child, address: line.slice('ready '.length) };
  throw new Error('the node has ended');
}

interface Kind {
  /** What the node is started with more, and how its events are read when it is gone. */
  begin(t: Test, data: string): Promise<{ readonly more: readonly string[]; read(): Promise<EventStore> }>;
}

const KINDS: Readonly<Record<string, Kind>> = {
  SQLite: {
    begin: async (_t, data) => ({
      more: [],
      read: async () => openSqliteEventStore(join(data, 'owl.db')),
    }),
  },
  'the EventStoreDB double': {
    begin: async (t) => {
      const node = await startNode(t);
      return { more: [node.connectionString], read: () => openStore(t, node) };
    },
  },
};

async function typesIn(store: EventStore): Promise<string[]> {
  const types: string[] = [];
  for await (const { type, data } of store.readAll({ categories: ['wl_switch', 'wl_task', 'wl_job'] }))
    types.push(type.startsWith('Switched') ? `${type} ${String(data['switch'])}` : type);
  return types;
}

for (const [name, kind] of Object.entries(KINDS))
  t.test(`killed while splitter and executor are off, on ${name}`, async (t) => {
    const data = join(t.testdir({}), 'data');
    const { more, read } = await kind.begin(t, data);
    let node = await startChild(t, [data, '0', '0', ...more]);
    const port = node.address.split(':')[1] ?? '';
    const called = { server: node.address, credentials: localCredentials(data) };
    const clients = {
      any: new AnyClient(called),
      peers: new PeersClient(called),
      pilots: new PilotsClient(called),
    };
    t.teardown(() => {
      for (const client of Object.values(clients)) client.close();
    });
    const ask = (service: string, call: string, request: object) => clients.any.call(service, call, request);
    for (const one of ['splitter', 'executor'])
      await ask('Switches', 'switch_set', { switch: one, enabled: false, reason: `${one} rests` });
    const { datasets } = await ask('DatasetManager', 'dataset_register', {
      datasets: [{ name: 'run', storage_url: `file://${data}`, uid: '11111111-1111-4111-8111-111111111111' }],
    });
    t.match(datasets, [{ name: 'run' }]);
    const uid = '11111111-1111-4111-8111-111111111111';
    const files = Array.from({ length: FILES }, (_, n) => ({ file_name: `f${n}`, size: 1, check_sum: MD5 }));
    await ask('DatasetManager', 'dataset_add', { uid, files });
    const order = {
      executable: 'wc',
      device_type: 'cpu',
      mode: 'map',
      data_in_uid: uid,
      data_out_url: `file://${data}/o`,
    };
    await ask('TaskManager', 'task_submit', order);
    node.process.kill('SIGKILL');
    await once(node.process, 'exit');

    // With jobs of its own, which wait for the executor, and a pilot that would take them.
    node = await startChild(t, [data, port, String(JOBS), ...more]);
    const pilot = await startPilot(t, clients, { slots: 64 });
    await until('the splitter is known to be off', async () => {
      const { switches } = await ask('Switches', 'switch_list', {});
      t.match(switches, [{ switch: 'splitter', reason: 'splitter rests' }, { switch: 'executor' }]);
      return true;
    });
    t.match(await ask('TaskManager', 'task_status', { id: '1' }), {
      state: 'registered',
      remarks: /the splitter is switched off since .*: splitter rests/,
    });
    t.match(await ask('JobManager', 'job_status', { id: 'j0' }), {
      state: 'created',
      remarks: /the executor is switched off since .*: executor rests/,
    });
    for (const one of ['splitter', 'executor'])
      await ask('Switches', 'switch_set', { switch: one, enabled: true });
    await until('all are hinted', () => new Set(pilot.hints).size === JOBS + FILES);
    node.process.kill('SIGKILL');
    await once(node.process, 'exit');

    const store = await read();
    const types = await typesIn(store);
    await store.close();
    const place = (type: string) => types.indexOf(type);
    const count = (type: string) => types.filter((one) => one === type).length;
    t.ok(place('TaskJobsPlanned') > place('SwitchedOn splitter'), 'planned behind the on');
    t.ok(place('JobQueued') > place('SwitchedOn executor'), 'queued behind the on');
    t.equal(count('TaskJobsPlanned'), 1);
    t.equal(count('JobCreated'), JOBS + FILES);
    t.equal(count('JobQueued'), JOBS + FILES);
  });
