/** What all clients share: how calls end, and that neither their number nor the size of an answer is in the way. */

import { once } from 'node:events';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { PlotTaskStatus } from '../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../src/systems/talent/wire/plot-manager-client.js';
import { UnreachableError } from '../../src/wire/call-error.js';
import { NodeClient } from '../../src/wire/node-client.js';
import { localCredentials } from '../support/local-credentials.js';
import { type RunningTalent, runTalent } from '../support/running-talent.js';

/** The most characters remarks may have, each three bytes long. */
const LONG = '日'.repeat(16_384);

async function startTalent(t: Test): Promise<RunningTalent> {
  const talent = await runTalent(join(t.testdir(), 'data'));
  t.teardown(() => talent.stop());
  return talent;
}

t.test('a call ends when its signal aborts, also one without a deadline', async (t) => {
  const sockets: Socket[] = [];
  // It accepts connections and says nothing.
  const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const ending = new AbortController();
  const client = new NodeClient({ server: `127.0.0.1:${address.port}`, signal: ending.signal });
  t.teardown(async () => {
    client.close();
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const rebuilding = client.rebuild({ projection: 'plot_tasks' });
  await once(server, 'connection');
  ending.abort();
  await t.rejects(rebuilding, { kind: 'unavailable', message: /closed here/ });
  await t.rejects(client.status(), { kind: 'unavailable', message: /closed here/ });
});

t.test('a connection that is reset in the middle of an order leaves open whether it was done', async (t) => {
  const server = createHttp2Server();
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  server.on('sessionError', () => undefined);
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    for (const socket of sockets) socket.resetAndDestroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = new NodeClient({ server: `127.0.0.1:${address.port}` });
  t.teardown(() => {
    client.close();
    server.close();
  });
  await t.rejects(client.rebuild({ projection: 'plot_tasks' }), {
    name: 'UnreachableError',
    mayHaveArrived: true,
  });
});

t.test('an answer that does not come in time is an error, and what takes its time may', async (t) => {
  const talent = await startTalent(t);
  const shown = localCredentials(join(t.testdirName, 'data'));
  const client = new NodeClient({ server: talent.address, deadlineMs: 0, credentials: shown });
  t.teardown(() => client.close());
  await t.rejects(client.status(), { message: /did not answer in time/ });
  await t.rejects(client.status(), UnreachableError);
  await t.resolves(client.rebuild({ projection: 'plot_tasks' }));
  t.match(await client.redrive({ reader: 'plot_tasks' }), { applied: 0, still_parked: 0 });
});

t.test('many calls at once, and pages that end below the usual limit of 4 MiB', async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error): number => warnings.push(warning);
  process.on('warning', note);
  t.teardown(() => process.off('warning', note));
  const talent = await startTalent(t);
  const client = new PlotManagerClient({ server: talent.address });
  t.teardown(() => client.close());
  const ids = Array.from({ length: 90 }, (_, n) => `task-${n}`);
  const plot_config = { ksize: 32, threads: 2, buffer: 4000, cache1: '/cache', dest: { path: '/dest' } };
  await Promise.all(ids.map((task_id) => client.create({ task_id, plot_config })));
  const stops = await Promise.all(ids.map((task_id) => client.stop({ task_id, reason: LONG })));
  t.ok(stops.every(({ is_success }) => is_success));

  const pages: PlotTaskStatus[][] = [];
  for await (const page of client.pages({})) pages.push(page);
  const tasks = pages.flat();
  t.equal(tasks.length, ids.length);
  t.ok(pages.length > 1);
  t.ok(tasks.every(({ remarks }) => remarks === LONG));
  t.strictSame(warnings, []);
});
