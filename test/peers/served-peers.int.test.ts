/** Peers of a system over real gRPC: processes that hold a lease and are stopped, nodes that go, stores that two nodes share. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { Settings } from '../../src/node/config/config.js';
import { type RunningNode, startNode } from '../../src/node/node.js';
import { talent } from '../../src/systems/talent/system.js';
import type { PeerStatus } from '../../src/wire/peer-messages.js';
import { PeersClient } from '../../src/wire/peers-client.js';
import { ofKind } from '../support/events.js';
import { startNode as startStore } from '../support/eventstoredb-stores.js';
import { localCredentials } from '../support/local-credentials.js';
import { type LogLines, logLines } from '../support/log-lines.js';
import { until } from '../support/until.js';
import { workersSystem } from '../systems/workers/system.js';

const HOLDER = fileURLToPath(new URL('holder/hold-lease.js', import.meta.url));
const LEASE_SECONDS = 2;
/** A worker ends three seconds after its last confirmed heartbeat, and is given up two later. */
const TIMES = { lease_seconds: LEASE_SECONDS, give_up_seconds: 5, margin_seconds: 2 };

/** Of each node. */
const directories = new Map<RunningNode, string>();

// They wait for leases to run out most of the time.
t.jobs = 4;

interface Served {
  readonly node: RunningNode;
  readonly log: LogLines;
  readonly client: PeersClient;
  /** The one peer of this category, as the node shows it. */
  shown(category: string): Promise<PeerStatus>;
}

async function serving(
  t: Test,
  options: { data?: string; store?: string; times?: object } = {},
): Promise<Served> {
  const { data = join(t.testdir(), 'data'), store, times = TIMES } = options;
  const systems = [talent, workersSystem];
  const more = Object.fromEntries(
    Object.entries(times).map(([key, value]) => [`workers.${key}`, String(value)]),
  );
  const flags = { data, listen: '127.0.0.1:0', ...(store === undefined ? {} : { store }), ...more };
  const config = new Settings(systems).load({ env: {}, cwd: '/', flags });
  const log = logLines();
  const node = await startNode({ systems, config, logger: log.logger });
  directories.set(node, data);
  const client = new PeersClient({ server: node.address, credentials: localCredentials(data) });
  t.teardown(async () => {
    client.close();
    await node.stop();
  });
  const shown = async (category: string) => (await client.list({ category })).peers?.[0] ?? {};
  return { node, log, client, shown };
}

interface Holder {
  readonly process: ChildProcessByStdio<null, Readable, null>;
  /** What happened so far: `acted`, `paused` … */
  happened(): string[];
  /** Milliseconds since the epoch of the last line of this name. */
  lastTime(what: string): number;
}

function hold(t: Test, node: RunningNode, category: string, session: string): Holder {
  const child = spawn(
    process.execPath,
    [HOLDER, node.address, category, session, directories.get(node) ?? ''],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  t.teardown(() => child.kill('SIGKILL'));
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const lines = () =>
    out
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split(' '));
  return {
    process: child,
    happened: () => lines().map(([what = '']) => what),
    lastTime: (name) => Number(lines().findLast(([what]) => what === name)?.[1]),
  };
}

const attaching = (more: object = {}) => ({
  ...{ category: 'wk_worker', peer_id: 'p', session_id: 's1', protocol_min: 1, protocol_max: 1 },
  ...{ host: 'h', pid: 7, version: '1.2', body: '{"slots":2}', ...more },
});

t.test(
  'a peer attaches, beats, is seen and leaves; a replaced session changes nothing',
  { buffered: true },
  async (t) => {
    const { client, shown } = await serving(t);
    t.match(await client.attach(attaching({ protocol_max: 9 })), {
      ...{ category: 'wk_worker', peer_id: 'p', session_id: 's1', protocol: 2, lease_seconds: LEASE_SECONDS },
      ...{ policy: 'end', give_up_seconds: 5, margin_seconds: 2 },
    });
    t.match(await client.attach(attaching({ category: 'wk_shard' })), { policy: 'pause', pause_share: 0.9 });
    t.match(await shown('wk_worker'), {
      ...{ peer_id: 'p', session_id: 's1', status: 'attached', host: 'h', pid: 7, version: '1.2' },
      body: '{"slots":2}',
    });
    t.match(
      (await client.list()).peers?.map(({ category }) => category),
      ['wk_worker', 'wk_shard'],
    );
    await client.attach(attaching({ body: '{"slots":3}' }));
    t.match(await shown('wk_worker'), { body: '{"slots":3}' }, 'what it says anew is stored');

    await client.attach(attaching({ session_id: 's2' }));
    const stale = { category: 'wk_worker', peer_id: 'p', session_id: 's1' };
    const replaced = { kind: 'refused', message: /worker p is attached by another session \(s2\)/ };
    await t.rejects(client.beat(stale), replaced);
    await t.rejects(client.leave(stale), replaced);
    t.match(await shown('wk_worker'), { session_id: 's2', status: 'attached' });
    await client.leave({ ...stale, session_id: 's2', reason: 'done' });
    await client.leave({ ...stale, session_id: 's2', reason: 'again' });
    t.match(await shown('wk_worker'), { status: 'detached', remarks: 'done' });
    await t.rejects(client.beat({ ...stale, session_id: 's2' }), {
      kind: 'refused',
      message: /is not attached; attach with attach of owl.Peers/,
    });
  },
);

t.test('what is wrong with a request is said, and stores nothing', { buffered: true }, async (t) => {
  const { client, log } = await serving(t);
  const wrong: readonly [object, string, RegExp][] = [
    [{ category: 'supervisor' }, 'not_found', /category supervisor; there are wk_worker, wk_shard/],
    [{ category: '' }, 'invalid', /category: is missing/],
    [{ peer_id: '../p' }, 'invalid', /peer_id/],
    [{ session_id: '' }, 'invalid', /session_id: is missing/],
    [{ protocol_min: 0 }, 'invalid', /protocol_min: is missing/],
    [{ protocol_min: 2, protocol_max: 1 }, 'invalid', /protocol_max/],
    [{ body: '{"slots":' }, 'invalid', /body: must be the text of a JSON object/],
    [{ body: '[1]' }, 'invalid', /body: must be the text of a JSON object/],
    [{ body: '{"slots":"many"}' }, 'invalid', /body.slots: is missing/],
    [{ body: '{"slots":4096}' }, 'invalid', /body.slots: must be a whole number/],
    [{ protocol_min: 3, protocol_max: 4 }, 'refused', /upgrade the node/],
  ];
  for (const [more, kind, message] of wrong)
    await t.rejects(client.attach(attaching(more)), { kind, message });
  t.same((await client.list()).peers ?? [], []);
  await t.rejects(client.attach(attaching({ protocol_min: 3, protocol_max: 4 })), ofKind('refused'));
  const sentence =
    'worker p of version 1.2 speaks protocols 3 to 4 of wk_worker, this node protocols 1 to 2; upgrade the node';
  t.same(log.messages('error'), [sentence], 'and both ends are told in one sentence, once');
  const data = join(t.testdirName, 'contradictory');
  await t.rejects(
    serving(t, { data, times: { ...TIMES, give_up_seconds: 3 } }),
    /before its lease of 2 s is over/,
  );
});

t.test('a lease is watched again by a node that was started anew', { buffered: true }, async (t) => {
  const data = join(t.testdir(), 'data');
  const before = await serving(t, { data });
  await before.client.attach(attaching());
  await before.node.stop();
  const { shown } = await serving(t, { data });
  t.match(await shown('wk_worker'), { status: 'attached' });
  await until('it is lost', async () => (await shown('wk_worker')).status === 'lost');
});

t.test(
  'end: a process that was stopped for longer than it may act does nothing more',
  { buffered: true },
  async (t) => {
    const { node, shown, log } = await serving(t);
    const holder = hold(t, node, 'wk_worker', 's1');
    await until('it acts', () => holder.happened().includes('acted'));
    holder.process.kill('SIGSTOP');
    await until('it is lost', async () => (await shown('wk_worker')).status === 'lost');
    const lostAt = ((await shown('wk_worker')).lost_time ?? 0) * 1000;
    await until('it is given up', () => log.messages('warn').includes('a worker is given up'));
    const before = holder.happened().length;
    holder.process.kill('SIGCONT');
    const [code] = await once(holder.process, 'close');
    t.same(holder.happened().slice(before), ['ended'], 'before its first act');
    t.equal(code, 0);
    t.ok(holder.lastTime('acted') < lostAt);
  },
);

t.test('end: it has ended before it is given up when its node is gone', { buffered: true }, async (t) => {
  const { node } = await serving(t);
  const holder = hold(t, node, 'wk_worker', 's1');
  await until('it acts', () => holder.happened().includes('acted'));
  const goneAt = Date.now();
  await node.stop();
  await once(holder.process, 'close');
  t.equal(holder.happened().at(-1), 'ended');
  const { give_up_seconds, lease_seconds } = TIMES;
  t.ok(holder.lastTime('acted') < goneAt + give_up_seconds * 1000, 'whoever keeps the lease then');
  t.ok(holder.lastTime('acted') > goneAt + lease_seconds * 1000 - 1000, 'and not as soon as nobody answers');
});

t.test(
  'pause: a process that was stopped stands still until it is heard again',
  { buffered: true },
  async (t) => {
    const { node, client, shown } = await serving(t);
    const holder = hold(t, node, 'wk_shard', 's1');
    const stopped = async () => {
      holder.process.kill('SIGSTOP');
      await until('it is lost', async () => (await shown('wk_shard')).status === 'lost');
      return holder.happened().length;
    };
    await until('it acts', () => holder.happened().includes('acted'));
    const before = await stopped();
    const lostAt = ((await shown('wk_shard')).lost_time ?? 0) * 1000;
    t.ok(holder.lastTime('acted') < lostAt, 'nobody took its place while it acted');
    holder.process.kill('SIGCONT');
    await until('it goes on', () => holder.happened().slice(before).includes('acted'));
    const since = holder.happened().slice(before);
    t.equal(since[0], 'paused', 'before its first act');
    t.ok(since.indexOf('resumed') < since.indexOf('acted'));
    t.match(await shown('wk_shard'), { status: 'attached', session_id: 's1' });

    const again = await stopped();
    await client.attach(attaching({ category: 'wk_shard', session_id: 's2' }));
    holder.process.kill('SIGCONT');
    await once(holder.process, 'close');
    t.same(holder.happened().slice(again), ['paused', 'fenced'], 'its place is taken');
    t.match(await shown('wk_shard'), { session_id: 's2' });
  },
);

t.test(
  'two nodes on one store: when the one that keeps a lease is gone the other keeps it',
  { buffered: true },
  async (t) => {
    const { connectionString: store } = await startStore(t);
    const [a, b] = [
      await serving(t, { store, data: join(t.testdir(), 'a') }),
      await serving(t, { store, data: join(t.testdirName, 'b') }),
    ];
    await a.client.attach(attaching());
    await until('b has heard of it', async () => (await b.shown('wk_worker')).node_id === a.node.workerId);
    const session = { category: 'wk_worker', peer_id: 'p', session_id: 's1' };
    for (let beat = 0; beat < 3; beat++) await a.client.beat(session);
    const goneAt = Date.now();
    await a.node.stop();
    await until('b keeps it', async () => (await b.shown('wk_worker')).node_id === b.node.workerId);
    const tookMs = Date.now() - goneAt;
    t.match(await b.client.beat(session), { session_id: 's1' });
    t.match(await b.shown('wk_worker'), { status: 'attached', node_id: b.node.workerId });
    t.comment(`followed after ${tookMs} ms, ${LEASE_SECONDS * 2000} ms are promised`);
    t.same(
      [...b.log.messages('warn')].filter((line) => line.includes('gone silent')),
      [],
      'and its peer is not called silent for it',
    );
    await b.client.attach(attaching({ session_id: 's2' }));
    await t.rejects(b.client.beat(session), ofKind('refused'));
  },
);

t.test(
  'a node that can not reach a shared store soon confirms nothing more to who rests on it',
  { buffered: true },
  async (t) => {
    const store = await startStore(t);
    const { client } = await serving(t, {
      store: `${store.connectionString}&defaultDeadline=500`,
      data: join(t.testdir(), 'a'),
    });
    await client.attach(attaching());
    await store.stop();
    const session = { category: 'wk_worker', peer_id: 'p', session_id: 's1' };
    t.match(await client.beat(session), { session_id: 's1' }, "a short outage is not the peer's affair");
    await until('it is refused', async () => {
      try {
        await client.beat(session);
        return false;
      } catch (error) {
        t.match(error, { kind: 'unavailable' });
        return true;
      }
    });
  },
);
