/**
 * The loop of semaphores on two nodes, each a process of its own, on one EventStoreDB: who runs it is killed or stopped between
 * effect and command. The effect is a call, which the test answers when it wants to.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { NodeClient } from '../../../src/wire/node-client.js';
import { collect } from '../../support/events.js';
import { openStore, startNode } from '../../support/eventstoredb-stores.js';
import { localCredentials } from '../../support/local-credentials.js';
import { until } from '../../support/until.js';
import { SemaphoreClient } from './wire/semaphore-client.js';

const MAIN = fileURLToPath(new URL('run-node.js', import.meta.url));
/** A machine that is busy must not be taken for a node that is gone. */
const LEASE_SECONDS = 3;

interface Call {
  readonly grant: string;
  readonly holder: string;
  readonly node: string;
  readonly response: ServerResponse;
}

/** Where holders are told. Calls are answered at once unless they are held. */
async function startNotified(t: Test) {
  const calls: Call[] = [];
  const state = { holds: false };
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      calls.push({ ...JSON.parse(body), response });
      if (!state.holds) response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server has no port');
  return Object.assign(state, { calls, url: `http://127.0.0.1:${address.port}/` });
}

async function startProcess(t: Test, name: string, settings: Readonly<Record<string, string>>) {
  const given = { ...settings, OWL_WORKER_ID: name };
  const data = join(t.testdirName, name);
  const child = spawn(process.execPath, [MAIN, data, JSON.stringify(given)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const [address]: unknown[] = await once(child.stdout, 'data');
  const server = String(address);
  const credentials = localCredentials(data);
  const clients = {
    node: new NodeClient({ server }),
    semaphores: new SemaphoreClient({ server, credentials }),
  };
  t.teardown(() => {
    clients.node.close();
    clients.semaphores.close();
  });
  return {
    ...clients,
    name,
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    exited,
    loop: async () => (await clients.node.status()).loops?.[0] ?? {},
  };
}

/** Two nodes, and a permit whose holder is just being told so by `runner`. */
async function inAnEffect(t: Test) {
  t.testdir();
  const store = await startNode(t);
  const notified = await startNotified(t);
  const settings = {
    OWL_STORE: store.connectionString,
    OWL_SEMAPHORE_NOTIFY_URL: notified.url,
    OWL_SEMAPHORE_NOTIFY_LEASE_SECONDS: String(LEASE_SECONDS),
  };
  const [a, b] = await Promise.all(['a', 'b'].map((name) => startProcess(t, name, settings)));
  if (a === undefined || b === undefined) throw new Error('there are two');
  await until('both know who runs it', async () => {
    const nodes = await Promise.all([a, b].map(async ({ loop }) => (await loop()).node));
    return nodes[0] !== undefined && nodes[0] !== '' && nodes[0] === nodes[1];
  });
  const [runner, other] = (await a.loop()).node === 'a' ? [a, b] : [b, a];
  t.match((await other.loop()).doing, `node ${runner.name} runs it`);
  await other.semaphores.create({ name: 'gpu', capacity: 10 });
  notified.holds = true;
  await other.semaphores.acquire({ name: 'gpu', holder: 'h1' });
  await until('h1 is being told', () => notified.calls.length === 1);
  notified.holds = false;
  return { store, notified, runner, other };
}

/** Whom which node told, `a: h1`. */
const told = (calls: readonly Call[]) => calls.map(({ node, holder }) => `${node}: ${holder}`);

t.test('who runs a loop is stopped, and the next one killed, each between effect and command', async (t) => {
  const { store, notified, runner, other } = await inAnEffect(t);
  const { calls } = notified;
  runner.signal('SIGSTOP');
  await until('h1 is told by the other', () => calls.length === 2);
  await other.semaphores.acquire({ name: 'gpu', holder: 'h2' });
  await until('h2 is told', () => calls.length === 3);

  runner.signal('SIGCONT');
  calls[0]?.response.end();
  await until('it knows', async () => (await runner.loop()).doing === `node ${other.name} runs it`);
  notified.holds = true;
  await runner.semaphores.acquire({ name: 'gpu', holder: 'h3' });
  await until('h3 is being told', () => calls.length === 4);

  notified.holds = false;
  other.signal('SIGKILL');
  await other.exited;
  await until('h3 is told by who was stopped before', () => calls.length === 5);
  await runner.semaphores.acquire({ name: 'gpu', holder: 'h4' });
  await until('h4 is told', () => calls.length === 6);
  await until('all is done', async () => (await runner.loop()).state === 'resting');

  const [x, y] = [runner.name, other.name];
  t.same(told(calls), [`${x}: h1`, `${y}: h1`, `${y}: h2`, `${y}: h3`, `${x}: h3`, `${x}: h4`]);
  t.equal(calls[0]?.grant, calls[1]?.grant, 'what is told again has the same id');
  t.equal(calls[3]?.grant, calls[4]?.grant);
  const events = await collect((await openStore(t, store)).readAll({ categories: ['semaphore_notice'] }));
  t.same(
    events.map(({ data }) => data['holder']),
    ['h1', 'h2', 'h3', 'h4'],
    'and that it was told is recorded once',
  );
});
