/** Whose certificate counts on which connection, and for how long: a real node with TLS. */

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { Agent, get } from 'node:https';
import { connect as connectPlainly } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import type { Clock } from '../../../src/base/clock.js';
import { PACKAGE_ROOT } from '../../../src/base/package-root.js';
import { addAccess } from '../../../src/node/access/access-file.js';
import { PlotManagerClient } from '../../../src/systems/talent/wire/plot-manager-client.js';
import { ofKind } from '../../support/events.js';
import { logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';
import { loadTalentConfig, startTalent } from '../../support/start-talent.js';

const fixture = (name: string) => join(PACKAGE_ROOT, 'test/fixtures/tls', name);
const SHED = { cert: readFileSync(fixture('shed-3.pem')), key: readFileSync(fixture('shed-3.key')) };
/** Where all of 127.0.0.0/8 is there. */
const ONLY_LINUX = { skip: process.platform === 'linux' ? false : 'there is no 127.0.0.2' };
const CA = readFileSync(fixture('farm-ca.pem'));

/** Everybody has to say who he is, and shed-3 may look. */
async function secured(t: Test, clock?: Clock) {
  const directory = t.testdir({});
  const data = join(directory, 'data');
  const file = join(directory, 'owl.yaml');
  const tls = { cert: fixture('node.pem'), key: fixture('node.key'), client_ca: fixture('farm-ca.pem') };
  const listen = { listen: '0.0.0.0:0', http_listen: '127.0.0.1:0' };
  writeFileSync(file, JSON.stringify({ data, access: 'required', ...listen, tls }));
  const config = loadTalentConfig({ env: {}, cwd: '/', file });
  const { logger } = logLines();
  const node = await startTalent({ config, logger, ...(clock === undefined ? {} : { clock }) });
  t.teardown(() => node.stop());
  await addAccess(data, { name: 'shed-3', roles: ['reader'], certificate: true });
  return { port: Number(node.address.split(':').at(-1)), http: node.httpAddress ?? '' };
}

/** @param from the port of this end */
async function connected(t: Test, port: number, host: string, shown: object, from: number) {
  const raw = connectPlainly({ port, host, localAddress: '127.0.0.1', localPort: from });
  await once(raw, 'connect');
  const socket = connect({
    ...{ socket: raw, ca: CA, ALPNProtocols: ['h2'], checkServerIdentity: () => undefined, ...shown },
  });
  await once(socket, 'secureConnect');
  const session = connectHttp2('https://localhost', { createConnection: () => socket });
  session.on('error', () => undefined);
  t.teardown(() => session.destroy());
  return {
    session,
    localPort: raw.localPort ?? 0,
    async ask(): Promise<number> {
      const stream = session.request({
        ...{ ':method': 'POST', ':path': '/talent.PlotManager/plot_task_status_all' },
        ...{ 'content-type': 'application/grpc', te: 'trailers' },
      });
      stream.resume().end(Buffer.alloc(5));
      const [headers] = await once(stream, 'response');
      if (headers['grpc-status'] !== undefined) return Number(headers['grpc-status']);
      const [trailers] = await once(stream, 'trailers');
      return Number(trailers['grpc-status']);
    },
  };
}

t.test(
  'a certificate counts on the connection that it was shown on, and on no other',
  ONLY_LINUX,
  async (t) => {
    const { port } = await secured(t);
    const shed = await connected(t, port, '127.0.0.1', SHED, 0);
    t.equal(await shed.ask(), status.OK);
    // The same two ends but for the address of the node.
    const stranger = await connected(t, port, '127.0.0.2', {}, shed.localPort);
    t.equal(await stranger.ask(), status.UNAUTHENTICATED);
    t.equal(await shed.ask(), status.OK, 'nor does it take anything away');
    shed.session.destroy();
    t.equal(await stranger.ask(), status.UNAUTHENTICATED);
  },
);

t.test('one that runs out counts no longer, also on a connection that is there', async (t) => {
  const clock = new ManualClock(Date.now());
  const { port, http } = await secured(t, clock);
  const tls = { ca: fixture('farm-ca.pem'), cert: fixture('shed-3.pem'), key: fixture('shed-3.key') };
  const client = new PlotManagerClient({ server: `127.0.0.1:${port}`, credentials: { tls } });
  const agent = new Agent({ ...SHED, ca: CA, keepAlive: true });
  t.teardown(() => {
    client.close();
    agent.destroy();
  });
  t.same(await client.list({}), {});
  t.equal(await statusAt(http, agent), 200);
  clock.step(200 * 365 * 86_400_000);
  await t.rejects(client.list({}), {
    ...ofKind('unauthenticated'),
    message: /its certificate does not count: CERT_HAS_EXPIRED/,
  });
  t.equal(await statusAt(http, agent), 401);
});

t.test('no session is resumed, so each connection is looked at anew', async (t) => {
  const { http } = await secured(t);
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = await secureTo(http, { maxVersion });
    const tickets: Buffer[] = [];
    first.on('session', (ticket) => tickets.push(ticket));
    first.write(`GET /healthz HTTP/1.1\r\nHost: ${http}\r\nConnection: close\r\n\r\n`);
    await once(first, 'data');
    const session = tickets[0] ?? first.getSession();
    const again = await secureTo(http, { maxVersion, ...(session === undefined ? {} : { session }) });
    t.notOk(again.isSessionReused(), maxVersion);
    for (const socket of [first, again]) socket.destroy();
  }
});

async function secureTo(address: string, more: ConnectionOptions): Promise<TLSSocket> {
  const [host = '', port] = address.split(':');
  const socket = connect({ host, port: Number(port), ca: CA, ...SHED, ALPNProtocols: ['http/1.1'], ...more });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

function statusAt(address: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = get(`https://${address}/api/v1/talent/plot-tasks`, { agent }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
    });
    asked.on('error', reject);
  });
}
