/** TLS and credentials of the EventStoreDB adapter; and that neither a log nor an error tells them. */

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { inspect } from 'node:util';
import t, { type Test } from 'tap';
import { messageOf } from '../../../../src/base/errors.js';
import type { EventStore } from '../../../../src/runtime/event-store/event-store.js';
import type { Availability } from '../../../../src/runtime/event-store/eventstoredb/connection/connection.js';
import { openEventStoreDb } from '../../../../src/runtime/event-store/eventstoredb/eventstoredb-store.js';
import {
  collect,
  freshCategory,
  freshStream,
  ofKind,
  proposeMany,
  valuesOf,
} from '../../../support/events.js';
import {
  NODE_CERTIFICATE,
  NODE_KEY,
  TEST_AUTHORITY,
} from '../../../support/eventstoredb-node/certificates.js';
import type { EventStoreDbNode } from '../../../support/eventstoredb-node/node.js';
import { openStore, recordLog, SHORT_DEADLINE_MS, startNode } from '../../../support/eventstoredb-stores.js';
import { until } from '../../../support/until.js';

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

/** What a call is refused with, once the reason is known: until then there is no connection in time. */
async function refusalOf(store: EventStore): Promise<string> {
  let message = '';
  await until('it says why', async () => {
    message = await store.head().then(String, messageOf);
    return !message.includes('did not answer in time');
  });
  return message;
}

await t.test('a server with a certificate that nobody vouches for is not trusted', async (t) => {
  const { node } = await startSecureNode(t);
  const connectionString = `esdb://${encoded(USERS)}@localhost:${node.address.port}`;
  const store = await openStore(t, { connectionString }, { deadlineMs: SHORT_DEADLINE_MS });
  t.match(
    await refusalOf(store),
    /its certificate is not believed \(.*certificate.*\); name the authority that signed it as tlsCaFile/,
  );
  t.equal(node.calls, 0, 'nothing was sent to it');
});

await t.test(
  'a node that is named by its address is known by it, and Node has nothing to warn of',
  async (t) => {
    const { at, node } = await startSecureNode(t);
    // Whichever side goes, the other goes with it: a connection that is reset has no end.
    const elsewhere = createServer((socket) => {
      const there = connect(node.address.port, '127.0.0.1');
      pipeline(socket, there, socket, () => {
        socket.destroy();
        there.destroy();
      });
    }).listen(0, '127.0.0.2');
    await once(elsewhere, 'listening');
    t.teardown(() => elsewhere.close());
    const there = elsewhere.address();
    const warnings: Error[] = [];
    const listener = (warning: Error) => warnings.push(warning);
    process.on('warning', listener);
    t.teardown(() => process.off('warning', listener));
    const to = (address: string) => at(`${encoded(USERS)}@`).replace(/localhost:\d+/, address);
    const store = await openStore(t, { connectionString: to(`127.0.0.1:${node.address.port}`) });
    t.ok(await canAppend(store));
    const port = typeof there === 'object' ? there?.port : undefined;
    const connectionString = to(`127.0.0.2:${port}`);
    const other = await openStore(t, { connectionString }, { deadlineMs: SHORT_DEADLINE_MS });
    t.match(await refusalOf(other), /not believed \(.*127\.0\.0\.2.*\); name .* tlsCaFile/);
    t.strictSame(warnings, []);
  },
);

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

await t.test('a password that is changed while the store runs', async (t) => {
  const CHANGED = { ...USERS, password: 'an0ther' };

  await t.test('is read from the file again when the node denies the old one', async (t) => {
    const { at, directory, node } = await startSecureNode(t);
    const credentialsFile = join(directory, 'credentials');
    const told: Availability[] = [];
    const store = await openStore(
      t,
      { connectionString: at('') },
      { credentialsFile, onAvailability: (availability) => told.push(availability) },
    );
    const category = freshCategory();
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const { events } of store.subscribe({ categories: [category] }))
        seen.push(...valuesOf(events));
    })();
    await store.append(freshStream(category), 'noStream', proposeMany(1));
    await until('the subscription runs', () => seen.length === 1);

    node.users = CHANGED;
    t.notOk(await canAppend(store));
    await until('it is told as away, with the reason', () => told.at(-1)?.available === false);
    t.match(told.at(-1)?.reason, /denies access/);
    t.notOk(await canAppend(store), 'as long as the file has the old one');

    await writeFile(credentialsFile, `${CHANGED.user}:${CHANGED.password}\n`);
    await until('it is let in', () => canAppend(store));
    t.equal(told.at(-1)?.available, true);
    await store.append(freshStream(category), 'noStream', proposeMany(1, 1));
    await until('the subscription goes on', () => seen.length === 2);
    t.strictSame(seen, [0, 1]);
    await store.close();
    await following;
  });

  await t.test('is used at once where the file has it before the node denies the old one', async (t) => {
    const { at, directory, node } = await startSecureNode(t);
    const credentialsFile = join(directory, 'credentials');
    const store = await openStore(t, { connectionString: at('') }, { credentialsFile });
    t.ok(await canAppend(store));
    await writeFile(credentialsFile, `${CHANGED.user}:${CHANGED.password}\n`);
    node.users = CHANGED;
    await until('it is let in', () => canAppend(store));
  });

  await t.test('is noticed by a node that asks for nothing but whether there is something new', async (t) => {
    const { at, directory, node } = await startSecureNode(t);
    const told: Availability[] = [];
    const store = await openStore(
      t,
      { connectionString: at('') },
      {
        credentialsFile: join(directory, 'credentials'),
        onAvailability: (availability) => told.push(availability),
      },
    );
    const batches = store.subscribe()[Symbol.asyncIterator]();
    await batches.next();
    node.users = CHANGED;
    const next = batches.next();
    await until('it is told', () => told.at(-1)?.available === false);
    node.users = USERS;
    await until('and that it is back', () => told.at(-1)?.available === true);
    await store.close();
    await next;
  });
});

await t.test('one call beyond the rights of the user is its own affair', async (t) => {
  const { at, node } = await startSecureNode(t);
  const told: Availability[] = [];
  const store = await openStore(
    t,
    { connectionString: at(`${encoded(USERS)}@`) },
    { onAvailability: (availability) => told.push(availability) },
  );
  t.ok(await canAppend(store));
  const { connections } = node;
  const stream = freshStream();
  node.faults.forbidden.add(stream);
  for (let n = 0; n < 3; n++) {
    await t.rejects(collect(store.readStream(stream)), { message: /denies access/ });
  }
  t.ok(await canAppend(store));
  t.strictSame([node.connections, told.length], [connections, 1], 'on the same connection');
});
