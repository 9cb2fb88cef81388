/** TLS and credentials of the EventStoreDB adapter; and that neither a log nor an error tells them. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import t, { type Test } from 'tap';
import type { EventStore } from '../../../src/runtime/event-store/event-store.js';
import { openEventStoreDb } from '../../../src/runtime/event-store/eventstoredb/eventstoredb-store.js';
import { collect, freshStream, ofKind, proposeMany } from '../../support/events.js';
import { NODE_CERTIFICATE, NODE_KEY, TEST_AUTHORITY } from '../../support/eventstoredb-node/certificates.js';
import type { EventStoreDbNode } from '../../support/eventstoredb-node/node.js';
import { openStore, recordLog, SHORT_DEADLINE_MS, startNode } from '../../support/eventstoredb-stores.js';
import { until } from '../../support/until.js';

const TLS = { authority: TEST_AUTHORITY, certificate: NODE_CERTIFICATE, key: NODE_KEY };
/** Holds what has a meaning in a connection string. */
const USERS = { user: 'owl-keeper', password: 'a@b/c?d:e%f&g' };
const WRONG = 'wr0ng-s3cret';

const encoded = ({ user, password }: typeof USERS) =>
  `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;

async function startSecureNode(t: Test) {
  const node = await startNode(t, { tls: TLS, users: USERS });
  const directory = t.testdir({ 'ca.pem': TEST_AUTHORITY, credentials: `${USERS.user}:${USERS.password}\n` });
  const options = `tlsCaFile=${encodeURIComponent(join(directory, 'ca.pem'))}`;
  const at = (credentials: string) => `esdb://${credentials}localhost:${node.address.port}?${options}`;
  return { node, directory, at };
}

async function canAppend(store: EventStore): Promise<boolean> {
  return store.append(freshStream(), 'noStream', proposeMany(1)).then(
    () => true,
    () => false,
  );
}

await t.test('TLS with user and password of the connection string', async (t) => {
  const { at } = await startSecureNode(t);
  const store = await openStore(t, { connectionString: at(`${encoded(USERS)}@`) });
  const stream = freshStream();
  await store.append(stream, 'noStream', proposeMany(2));
  t.equal((await collect(store.readStream(stream))).length, 2);
  t.equal((await collect(store.readAll())).length, 2);
});

await t.test('user and password of a file come before those of the connection string', async (t) => {
  const { at, directory } = await startSecureNode(t);
  const credentialsFile = join(directory, 'credentials');
  const store = await openStore(t, { connectionString: at(`nobody:${WRONG}@`) }, { credentialsFile });
  t.ok(await canAppend(store));
});

await t.test('a file that was changed is used for the next connection', async (t) => {
  const { at, directory, node } = await startSecureNode(t);
  const credentialsFile = join(directory, 'credentials');
  await writeFile(credentialsFile, `${USERS.user}:${WRONG}\n`);
  const store = await openStore(t, { connectionString: at('') }, { credentialsFile });
  t.notOk(await canAppend(store));
  await writeFile(credentialsFile, `${USERS.user}:${USERS.password}\n`);
  node.faults.drop();
  await until('it lets the store in', () => canAppend(store));
});

await t.test('a server with a certificate that nobody vouches for is not trusted', async (t) => {
  const { node } = await startSecureNode(t);
  const store = await openStore(
    t,
    { connectionString: `esdb://${encoded(USERS)}@localhost:${node.address.port}` },
    { deadlineMs: SHORT_DEADLINE_MS },
  );
  await t.rejects(store.head(), { name: 'StoreUnavailableError' });
  t.equal(node.calls, 0, 'nothing was sent to it');
});

await t.test('without TLS, credentials are not sent, and the log says so', async (t) => {
  const node = await startNode(t, { users: USERS });
  const log = recordLog();
  const { host, port } = node.address;
  const store = await openStore(
    t,
    { connectionString: `esdb://${encoded(USERS)}@${host}:${port}?tls=false` },
    { logger: log.logger },
  );
  await t.rejects(store.append(freshStream(), 'noStream', proposeMany(1)), {
    name: 'StoreUnavailableError',
    outcome: 'refused',
    message: /denies access/,
  });
  t.ok(log.lines.some((line) => line.includes('are not sent')));
});

await t.test('settings that make no sense are refused at once', async (t) => {
  const { at, directory } = await startSecureNode(t);
  const open = (connectionString: string, credentialsFile?: string) =>
    openEventStoreDb({
      connectionString,
      logger: recordLog().logger,
      ...(credentialsFile === undefined ? {} : { credentialsFile }),
    });
  await t.rejects(open('http://localhost'), ofKind('invalid'));
  await t.rejects(open('esdb://localhost?tlsCaFile=/nowhere/ca.pem'), {
    ...ofKind('invalid'),
    message: /tlsCaFile/,
  });
  await t.rejects(open(at(''), join(directory, 'missing')), {
    ...ofKind('invalid'),
    message: /credentials file/,
  });
  await t.rejects(open(at(''), join(directory, 'ca.pem')), {
    ...ofKind('invalid'),
    message: /user:password/,
  });
});

await t.test('no log line and no error tells a credential, whatever happens', async (t) => {
  const { node, directory, at } = await startSecureNode(t);
  const log = recordLog();
  const told: string[] = [];
  const tell = (error: unknown) => told.push(inspect(error, { depth: 20, showHidden: true }));
  const secrets = [
    USERS.password,
    encodeURIComponent(USERS.password),
    USERS.user,
    WRONG,
    Buffer.from(`${USERS.user}:${USERS.password}`).toString('base64'),
    Buffer.from(`nobody:${WRONG}`).toString('base64'),
  ];
  const options = { logger: log.logger, deadlineMs: SHORT_DEADLINE_MS };

  for (const wrong of [
    'bogus=1',
    'tls=perhaps',
    'nodePreference=follower',
    'tlsVerifyCert=false',
    'x',
    '=',
  ]) {
    await openEventStoreDb({ ...options, connectionString: `${at(`${encoded(USERS)}@`)}&${wrong}` }).catch(
      tell,
    );
  }
  for (const text of [
    `esdb://${WRONG}@h`,
    `esdb://u:${WRONG}/x@h`,
    `esdb:${WRONG}`,
    `esdb://u:${WRONG}@h:p`,
  ]) {
    await openEventStoreDb({ ...options, connectionString: text }).catch(tell);
  }
  t.equal(told.length, 10, 'all of these are refused');

  const denied = await openStore(t, { connectionString: at(`nobody:${WRONG}@`) }, options);
  await denied.append(freshStream(), 'noStream', proposeMany(1)).catch(tell);
  await denied.head().catch(tell);
  await collect(denied.readStream(freshStream())).catch(tell);

  const store = await openStore(
    t,
    { connectionString: at('') },
    { ...options, credentialsFile: join(directory, 'credentials') },
  );
  await disturb(node, store, tell);
  t.ok(told.length > 15, 'and these calls failed');
  t.ok(log.lines.length > 3, 'and were logged');
  for (const secret of secrets) {
    t.notOk(
      told.some((text) => text.includes(secret)),
      'not in an error',
    );
    t.notOk(
      log.lines.some((line) => line.includes(secret)),
      'nor in a log',
    );
  }
});

async function disturb(
  node: EventStoreDbNode,
  store: EventStore,
  tell: (error: unknown) => void,
): Promise<void> {
  const append = () => store.append(freshStream(), 'noStream', proposeMany(1));
  await append();
  node.faults.lostAnswers = 1;
  await append().catch(tell);
  node.faults.fallSilent();
  await append().catch(tell);
  node.faults.speak();
  await append();
  node.faults.leader = 'unknown';
  await append().catch(tell);
  node.faults.leader = 'here';
  await node.stop();
  await append().catch(tell);
  await store.head().catch(tell);
}
