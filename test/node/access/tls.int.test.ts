/** TLS on a real node: who is believed by whom, what a certificate may, and files that change while it runs. */

import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get, type RequestOptions } from 'node:https';
import { connect as connectPlainly } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import t, { type Test } from 'tap';
import { PACKAGE_ROOT } from '../../../src/base/package-root.js';
import { addAccess, revokeAccess } from '../../../src/node/access/access-file.js';
import { PlotManagerClient } from '../../../src/systems/talent/wire/plot-manager-client.js';
import type { ClientTls } from '../../../src/wire/credentials.js';
import { ofKind } from '../../support/events.js';
import { logLines } from '../../support/log-lines.js';
import { loadTalentConfig, startTalent } from '../../support/start-talent.js';
import { owl } from '../../support/terminal-double.js';
import { until } from '../../support/until.js';

const fixture = (name: string) => join(PACKAGE_ROOT, 'test/fixtures/tls', name);
const AUTHORITY = fixture('farm-ca.pem');

interface Secured {
  readonly address: string;
  /** HOST:PORT of HTTP. */
  readonly http: string;
  readonly data: string;
  readonly config: string;
  readonly log: ReturnType<typeof logLines>;
  /** Puts another certificate, with its key, into the files of the node. */
  show(name: string): void;
  client(tls: ClientTls | undefined, tokenFile?: string): PlotManagerClient;
}

async function secured(t: Test, { name = 'node', access = 'required' } = {}): Promise<Secured> {
  const directory = t.testdir({});
  const data = join(directory, 'data');
  const files = { cert: join(directory, 'node.pem'), key: join(directory, 'node.key') };
  const show = (other: string) => {
    copyFileSync(fixture(`${other}.pem`), files.cert);
    copyFileSync(fixture(`${other}.key`), files.key);
  };
  show(name);
  const config = join(directory, 'owl.yaml');
  const tls = { ...files, client_ca: AUTHORITY };
  writeFileSync(
    config,
    JSON.stringify({ data, access, listen: '127.0.0.1:0', http_listen: '127.0.0.1:0', tls }),
  );
  const log = logLines();
  const node = await startTalent({
    config: loadTalentConfig({ env: {}, cwd: '/', file: config }),
    logger: log.logger,
  });
  t.teardown(() => node.stop());
  return {
    ...{ address: node.address, http: node.httpAddress ?? '', data, config, log, show },
    client(shown, tokenFile) {
      const token = tokenFile === undefined ? undefined : { file: tokenFile };
      const client = new PlotManagerClient({
        server: node.address,
        credentials: { tls: shown, token },
        deadlineMs: 5_000,
      });
      t.teardown(() => client.close());
      return client;
    },
  };
}

const shown = (name: string): ClientTls => ({
  ca: AUTHORITY,
  cert: fixture(`${name}.pem`),
  key: fixture(`${name}.key`),
});

t.test('a certificate says who it is, from its authority alone, as long as it counts', async (t) => {
  const { client, data } = await secured(t);
  await addAccess(data, { name: 'shed-3', roles: ['worker'], workerId: 'shed-3', certificate: true });
  const attach = (tls: ClientTls) => client(tls).attach({ worker_id: 'shed-3', session_id: 's' });
  t.match(await attach(shown('shed-3')), { worker_id: 'shed-3', status: 'attached' });
  await t.rejects(attach({ ca: AUTHORITY }), ofKind('unauthenticated'), 'without one');
  for (const [name, problem] of [
    ['stranger', /its certificate does not count: UNABLE_TO/],
    ['expired-shed-3', /its certificate does not count: CERT_HAS_EXPIRED/],
    ['elsewhere', /no certificate of the name "elsewhere" is known here/],
  ] as const)
    await t.rejects(attach(shown(name)), { kind: 'unauthenticated', message: problem });
  const held = client(shown('shed-3'));
  await held.heartbeat({ worker_id: 'shed-3', session_id: 's' });
  await revokeAccess(data, 'shed-3');
  await t.rejects(held.heartbeat({ worker_id: 'shed-3', session_id: 's' }), {
    kind: 'unauthenticated',
    message: /^the certificate of shed-3 was taken back/,
  });
});

t.test('a client believes its authority, the name, and on this machine the very certificate', async (t) => {
  const { client, data } = await secured(t);
  const token = join(data, 'local-token');
  t.same(await client({ ca: AUTHORITY }, token).list({}), {});
  await t.rejects(client({ ca: fixture('other-ca.pem') }, token).list({}), {
    name: 'UnreachableError',
    message: /shows a certificate that is not believed \(.*certificate.*\): name its authority in tls.ca/,
  });
  await t.rejects(client({}, token).list({}), { name: 'UnreachableError' }, 'those that everybody believes');
  await t.rejects(client(undefined, token).list({}), { name: 'UnreachableError' }, 'plain text');
  const elsewhere = await secured(t, { name: 'elsewhere' });
  const own = join(elsewhere.data, 'local-token');
  await t.rejects(elsewhere.client({ ca: AUTHORITY }, own).list({}), {
    name: 'UnreachableError',
    message: /is not believed/,
  });
  const byItself = { ca: AUTHORITY, own: join(elsewhere.config, '../node.pem') };
  t.same(await elsewhere.client(byItself, own).list({}), {});
  await t.rejects(
    elsewhere.client({ ca: AUTHORITY, own: fixture('node.pem') }, own).list({}),
    /not believed/,
  );
});

t.test('owl on the machine of the node needs to be told nothing but the configuration', async (t) => {
  const { address, config } = await secured(t, { name: 'elsewhere' });
  const yaml = join(config, '../client.yaml');
  const { data, tls } = JSON.parse(
    JSON.stringify(loadTalentConfig({ env: {}, cwd: '/', file: config }).config),
  );
  writeFileSync(yaml, JSON.stringify({ data, tls: { ...tls, ca: AUTHORITY }, listen: address }));
  t.match(await owl(['plot', 'list', '--config', yaml]), { code: 0, stderr: /^there is no task yet/ });
  t.match(await owl(['status', '--config', yaml]), { code: 0, stderr: '' });
});

t.test('files that change count without a restart; connections that there are stay', async (t) => {
  const { address, client, data, show, log, config } = await secured(t);
  const token = join(data, 'local-token');
  const early = client({ ca: AUTHORITY }, token);
  const watching = early.watch({});
  await early.list({});
  t.match(await nameAt(address), 'node');
  show('node-2');
  await until('another certificate is shown', async () => (await nameAt(address)) === 'node-2');
  t.same(await early.list({}), {}, 'on the connection of before');
  t.same(await client({ ca: AUTHORITY }, token).list({}), {}, 'and on a new one');
  t.ok(log.messages('info').includes('another certificate counts from now on'));

  const failed = () =>
    log
      .entries('error')
      .flatMap((entry) =>
        'err' in entry && typeof entry.err === 'object' && entry.err !== null && 'message' in entry.err
          ? [String(entry.err.message)]
          : [],
      );
  const pem = join(config, '../node.pem');
  for (const [change, why] of [
    [() => copyFileSync(fixture('node.pem'), pem), /tls\.key: .* is not the key of the certificate/],
    [() => writeFileSync(pem, 'nothing'), /tls\.cert: .* holds no certificate as PEM/],
    [() => rmSync(pem), /tls\.cert: .* can't be read/],
    [() => show('expired'), /tls\.cert: the certificate in .* has expired on/],
  ] as const) {
    change();
    await until(`it is told: ${why}`, () => failed().some((message) => why.test(message)));
    t.equal(await nameAt(address), 'node-2', 'the one before counts on');
  }
  show('node');
  await until('it is well again', async () => (await nameAt(address)) === 'node');
  await watching.return(undefined);
});

t.test('a node does not start with files that can not be used, and says which key names them', async (t) => {
  const broken = readFileSync(fixture('other-ca.pem'), 'utf8').replace(/M.{20}/, 'M');
  const second = `${readFileSync(AUTHORITY, 'utf8')}${broken}`;
  const directory = t.testdir({ 'no.pem': 'nothing', 'second.pem': second });
  const data = join(directory, 'data');
  const start = (tls: Record<string, string>) => {
    const file = join(directory, 'owl.yaml');
    writeFileSync(file, JSON.stringify({ data, listen: '127.0.0.1:0', tls }));
    const config = loadTalentConfig({ env: {}, cwd: '/', file });
    return startTalent({ config, logger: logLines().logger });
  };
  const [cert, key] = [fixture('node.pem'), fixture('node.key')];
  for (const [tls, message] of [
    [{ cert }, /^tls\.cert and tls\.key go together/],
    [{ client_ca: AUTHORITY }, /^tls\.cert and tls\.key go together/],
    [{ cert, key: join(directory, 'none') }, /^tls\.key: .*none can't be read: ENOENT/],
    [{ cert: join(directory, 'no.pem'), key }, /^tls\.cert: .*no\.pem holds no certificate as PEM$/],
    [{ cert, key: fixture('node-2.key') }, /^tls\.key: .*node-2\.key is not the key of the certificate in /],
    [{ cert, key: cert }, /^tls\.key: .*node\.pem holds no private key as PEM/],
    [{ cert: fixture('expired.pem'), key: fixture('expired.key') }, /^tls\.cert: .* has expired on Jan {2}2/],
    [{ cert, key, client_ca: join(directory, 'no.pem') }, /^tls\.client_ca: .* holds no certificate as PEM/],
    [
      { cert, key, client_ca: join(directory, 'second.pem') },
      /^tls\.client_ca: .*second\.pem holds as its certificate 2 no certificate as PEM$/,
    ],
  ] as const)
    await t.rejects(start(tls), { kind: 'invalid', message });
  const node = await start({ cert, key });
  await node.stop();
  t.ok(existsSync(data));
});

t.test('who speaks no TLS, or nothing, keeps nothing of the node', async (t) => {
  const { address, log, client, data } = await secured(t);
  const port = Number(address.split(':')[1]);
  const plain = connectPlainly(port, '127.0.0.1');
  plain.on('error', () => undefined);
  plain.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  await new Promise((resolve) => plain.once('close', resolve));
  t.ok(log.messages('warn').includes('a connection came to no agreement on TLS'));
  const silent = connectPlainly(port, '127.0.0.1');
  silent.on('error', () => undefined);
  t.teardown(() => silent.destroy());
  t.same(await client({ ca: AUTHORITY }, join(data, 'local-token')).list({}), {}, 'the others are served');
});

t.test('HTTP speaks TLS with the same files, and knows callers by the same certificates', async (t) => {
  const { http, data, show } = await secured(t);
  await addAccess(data, { name: 'shed-3', roles: ['reader'], certificate: true });
  const ask = (tls: RequestOptions) => statusAt(`https://${http}/api/v1/talent/plot-tasks`, tls);
  const ca = readFileSync(AUTHORITY);
  const showing = (name: string) => ({
    ca,
    cert: readFileSync(fixture(`${name}.pem`)),
    key: readFileSync(fixture(`${name}.key`)),
  });
  t.equal(await ask({ ca }), 401);
  t.equal(await ask(showing('shed-3')), 200);
  t.equal(await ask(showing('stranger')), 401);
  t.equal(await ask(showing('expired-shed-3')), 401);
  await t.rejects(ask({}), /certificate/);
  show('node-2');
  await until('another certificate is shown', async () => (await nameAt(http, 'http/1.1')) === 'node-2');
  await revokeAccess(data, 'shed-3');
  t.equal(await ask(showing('shed-3')), 401);
});

function statusAt(url: string, tls: RequestOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = get(url, { ...tls, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.on('error', reject);
  });
}

/** The common name that is shown there now. */
function nameAt(address: string, protocol = 'h2'): Promise<string> {
  const port = Number(address.split(':')[1]);
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      ca: [],
      rejectUnauthorized: false,
      ALPNProtocols: [protocol],
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
  });
}
