/** The demo on EventStoreDB, which is the protocol node of the test support: what stays there, and what is told to nobody. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { NODE_CERTIFICATE, NODE_KEY, TEST_AUTHORITY } from '../support/eventstoredb-node/certificates.js';
import type { EventStoreDbNode } from '../support/eventstoredb-node/node.js';
import { startNode } from '../support/eventstoredb-stores.js';
import { type Ended, type OwlProcess, startOwl } from '../support/owl-process.js';
import { processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

// A demo plays three plots one after another.
t.setTimeout(120_000);

const TLS = { authority: TEST_AUTHORITY, certificate: NODE_CERTIFICATE, key: NODE_KEY };
const USERS = { user: 'demo-keeper', password: 'hunter2' };
const SECRETS = /demo-keeper|hunter2/;

interface Place {
  readonly cwd: string;
  /** Everything temporary of a demo. */
  readonly tmp: string;
  demo(args: readonly string[]): OwlProcess;
}

function makePlace(t: Test): Place {
  const credentials = `${USERS.user}:${USERS.password}\n`;
  const cwd = t.testdir({
    tmp: {},
    'ca.pem': TEST_AUTHORITY,
    credentials,
    damaged: 'demo-keeper-hunter2\n',
    wrong: `${USERS.user}:hunter3\n`,
  });
  const tmp = join(cwd, 'tmp');
  return { cwd, tmp, demo: (args) => startOwl(t, ['demo', ...args], { cwd, env: { TMPDIR: tmp } }) };
}

/** How many events each task of a demo has, by its id, and that it is finished. */
function finishedIn({ log }: EventStoreDbNode): Map<string, number> {
  const events = new Map<string, number>();
  const finished = new Set<string>();
  for (const { stream, type } of log.records) {
    if (!stream.startsWith('plot_task-')) continue;
    events.set(stream, (events.get(stream) ?? 0) + 1);
    if (type === 'PlotTaskFinished') finished.add(stream);
  }
  return new Map([...events].filter(([stream]) => finished.has(stream)));
}

function isQuiet(t: Test, { stdout, stderr }: Ended): void {
  t.notMatch(stdout, SECRETS);
  t.notMatch(stderr, SECRETS);
}

async function nothingIsLeft(t: Test, { cwd, tmp }: Place): Promise<void> {
  t.strictSame(readdirSync(tmp), []);
  await until('no process is left', () => processesOf(cwd).length === 0);
}

t.test('it leaves its histories in the store, and can be run again on it', async (t) => {
  const place = makePlace(t);
  const store = await startNode(t, { tls: TLS, users: USERS });
  const at = `localhost:${store.address.port}?tlsCaFile=ca.pem`;

  await t.test('with credentials in a file', async (t) => {
    const demo = place.demo([
      ...['--store', `esdb://${at}`, '--store-credentials-file', 'credentials'],
      ...['--data', 'kept'],
    ]);
    await until('a plot runs', () => /demo-[0-9a-f]{8}-1 {2}running/.test(demo.stdout()));
    t.strictSame(
      processesOf(place.cwd).filter(({ command }) => SECRETS.test(command)),
      [],
    );
    const ended = await demo.ended;
    t.match(ended, { code: 0, stderr: '' });
    t.match(ended.stdout, '3 tasks finished in');
    t.match(ended.stdout, /44 .* finished +exit_code 0/);
    t.match(ended.stdout, /The histories of demo-\S+-1, demo-\S+-2, demo-\S+-3 stay in that store/);
    isQuiet(t, ended);
    t.equal(statSync(join(place.cwd, 'kept/owl.yaml')).mode & 0o777, 0o600);
    t.notMatch(readFileSync(join(place.cwd, 'kept/node.log'), 'utf8'), SECRETS);
    t.notOk(readdirSync(join(place.cwd, 'kept/node')).includes('owl.db'), 'no other history');
    await nothingIsLeft(t, place);
  });
  const first = finishedIn(store);
  t.equal(first.size, 3);
  t.ok([...first.values()].every((events) => events === 45));

  await t.test('with a history that takes its time', async (t) => {
    store.faults.holdSubscriptions(0n);
    const address = `esdb://${at}&defaultDeadline=2000`;
    const demo = place.demo(['--store', address, '--store-credentials-file', 'credentials']);
    await until('it says what it waits for', () => demo.stderr() !== '');
    t.equal(finishedIn(store).size, 3);
    store.faults.releaseSubscriptions();
    const ended = await demo.ended;
    t.match(ended, { code: 0, stderr: 'The node reads first what the store holds already.\n' });
    isQuiet(t, ended);
    await nothingIsLeft(t, place);
  });
  const both = finishedIn(store);
  t.equal(both.size, 6, 'the second one has tasks of its own');
  t.strictSame(new Map([...both].slice(0, 3)), first, 'those of the first one are as they were');
  await until('no connection is left', () => store.openConnections === 0);
});

t.test('interrupted while the store is away it ends what it began', async (t) => {
  const place = makePlace(t);
  const store = await startNode(t);
  const demo = place.demo(['--store', `${store.connectionString}&defaultDeadline=500`]);
  await until('a plot runs', () => /demo-\S+-1 {2}running/.test(demo.stdout()));
  await store.stop();
  demo.child.kill('SIGINT');
  t.match(await demo.ended, { code: 130, stderr: '' });
  await nothingIsLeft(t, place);
});

t.test('what is wrong with the store is told before anything begins', async (t) => {
  const place = makePlace(t);
  const store = await startNode(t, { tls: TLS, users: USERS });
  const server = `localhost:${store.address.port}?tlsCaFile=ca.pem&defaultDeadline=500`;
  const gone = await startNode(t);
  await gone.stop();
  const cases: readonly [what: string, args: readonly string[], code: number, told: RegExp][] = [
    ['no EventStoreDB', ['--store', 'http://demo-keeper:hunter2@farm'], 2, /--store must be esdb:/],
    ['no scheme', ['--store', 'esdb:/demo-keeper:hunter2@farm'], 1, /it must be esdb:\/\//],
    ['no such option', ['--store', `esdb://${server}&colour=red`], 1, /option colour/],
    [
      'credentials for everybody to see',
      ['--store', `esdb://demo-keeper:hunter2@${server}`],
      2,
      /--store must name no user and password on the command line, .* \(--store-credentials-file\)/,
    ],
    ['credentials for nothing', ['--store-credentials-file', 'credentials'], 2, /say with --store where/],
    [
      'no such file',
      ['--store', `esdb://${server}`, '--store-credentials-file', 'missing'],
      1,
      /credentials file can't be read: .*missing/,
    ],
    [
      'no credentials in the file',
      ['--store', `esdb://${server}`, '--store-credentials-file', 'damaged'],
      1,
      /the first line of .*damaged must give a user and a password/,
    ],
    [
      'no such authority',
      ['--store', `esdb://127.0.0.1?tlsCaFile=missing.pem`],
      1,
      /tlsCaFile can't be read/,
    ],
    [
      'wrong password',
      ['--store', `esdb://${server}&defaultDeadline=3000`, '--store-credentials-file', 'wrong'],
      1,
      /denies access/,
    ],
    ['nobody there', ['--store', `${gone.connectionString}&defaultDeadline=500`], 1, /EventStoreDB/],
  ];
  for (const [what, args, code, told] of cases) {
    const ended = await place.demo([...args, '--data', 'wanted']).ended;
    t.match(ended, { code, stdout: '', stderr: told }, what);
    t.notMatch(ended.stderr, /demo-keeper|hunter/, what);
    // Wrong usage says where to read on.
    t.equal(ended.stderr.trimEnd().split('\n').length, code === 2 ? 2 : 1, what);
    t.notOk(readdirSync(place.cwd).includes('wanted'), what);
  }
  await nothingIsLeft(t, place);
});
