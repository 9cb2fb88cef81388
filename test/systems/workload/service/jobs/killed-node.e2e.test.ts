/** A node that is killed at random while many pilots report: no job is lost, none runs twice. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openSqliteEventStore } from '../../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { PeersClient } from '../../../../../src/wire/peers-client.js';
import { localCredentials } from '../../../../support/local-credentials.js';
import { randomFrom } from '../../../../support/random.js';
import { until } from '../../../../support/until.js';
import { PilotsClient } from '../../support/clients.js';
import { SyntheticPilot } from '../../support/synthetic-pilot.js';

const NODE = fileURLToPath(new URL('../../support/run-workload-node.js', import.meta.url));
const JOBS = 80;
const PILOTS = 16;
const KILLS = 2;

interface Running {
  readonly process: ChildProcess;
  readonly address: string;
}

async function startChild(t: Test, data: string, port: string): Promise<Running> {
  const child = spawn(process.execPath, [NODE, data, port, String(JOBS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout }))
    if (line.startsWith('ready ')) return { process: child, address: line.slice('ready '.length) };
  throw new Error('the node has ended');
}

/** Takes each hint, and tells what it does until it is answered. */
async function work(pilot: SyntheticPilot, uid: string, done: Set<string>): Promise<void> {
  const { grant } = await pilot.tellSurely({ command_id: `${pilot.name}-${uid}`, claim: { job: uid } });
  if (grant === undefined) return;
  const { job, claim_id } = grant;
  await pilot.tellSurely({ started: { job, claim_id, pid: 7, boot_id: 'b', start_time: '1' } });
  await pilot.tellSurely({ finished: pilot.finishedMessage(grant) });
  done.add(uid);
}

t.test('no job is lost, and none is granted twice', async (t) => {
  const data = join(t.testdir({}), 'data');
  let node = await startChild(t, data, '0');
  const port = node.address.split(':')[1] ?? '';
  const called = { server: node.address, credentials: localCredentials(data) };
  const served = { peers: new PeersClient(called), pilots: new PilotsClient(called) };
  t.teardown(() => {
    served.peers.close();
    served.pilots.close();
  });
  const done = new Set<string>();
  for (let n = 0; n < PILOTS; n++) {
    const pilot = new SyntheticPilot(served, { name: `p${n}`, slots: 4 });
    t.teardown(() => pilot.close());
    await pilot.attach();
    pilot.onHint = (uid) => void work(pilot, uid, done);
    void pilot.listenSurely();
  }
  const random = randomFrom(11);
  for (let kill = 1; kill <= KILLS; kill++) {
    await until('some more are done', () => done.size >= (kill * JOBS) / (KILLS + 2));
    await pause(random() * 30);
    node.process.kill('SIGKILL');
    await once(node.process, 'exit');
    node = await startChild(t, data, port);
  }
  await until('all have finished', () => done.size === JOBS);
  node.process.kill('SIGTERM');
  await once(node.process, 'exit');
  const histories = await historiesIn(join(data, 'owl.db'));
  t.equal(histories.size, JOBS);
  for (const [uid, types] of histories)
    t.strictSame(
      types.filter((type) => type !== 'JobRequeued'),
      ['JobCreated', 'JobQueued', 'JobClaimed', 'JobStarted', 'JobFinished'],
      uid,
    );
});

async function historiesIn(file: string): Promise<Map<string, string[]>> {
  const store = openSqliteEventStore(file);
  const histories = new Map<string, string[]>();
  for await (const { stream, type } of store.readAll({ categories: ['wl_job'] }))
    histories.set(stream, [...(histories.get(stream) ?? []), type]);
  await store.close();
  return histories;
}
