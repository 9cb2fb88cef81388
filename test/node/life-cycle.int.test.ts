/** What a node tells of its life, and that it makes nothing of it while nobody listens. The counts follow from what was asked of it. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/base/clock.js';
import { Settings } from '../../src/node/config/config.js';
import { startNode } from '../../src/node/node.js';
import {
  LifeCycle,
  type LifeCycleEvent,
  type LifeCycleEventOf,
  type LifeCycleType,
} from '../../src/runtime/life-cycle/life-cycle.js';
import { localCredentials } from '../support/local-credentials.js';
import { logLines } from '../support/log-lines.js';
import { until } from '../support/until.js';
import { semaphoreSystem } from '../systems/semaphore/system.js';
import { SemaphoreClient } from '../systems/semaphore/wire/semaphore-client.js';

async function startSemaphores(t: Test, lifeCycle: LifeCycle, flags: Readonly<Record<string, string>> = {}) {
  const systems = [semaphoreSystem];
  const data = join(t.testdir(), 'data');
  const config = new Settings(systems).load({
    env: { OWL_SEMAPHORE_LEASE_SECONDS: '1', ...flags },
    cwd: '/',
    flags: { data, listen: '127.0.0.1:0' },
  });
  const node = await startNode({ systems, config, logger: logLines().logger, lifeCycle });
  t.teardown(() => node.stop());
  const client = new SemaphoreClient({ server: node.address, credentials: localCredentials(data) });
  t.teardown(() => client.close());
  return { node, client };
}

/** Grants a permit that expires, and then grants it to the next one. */
async function use(client: SemaphoreClient): Promise<void> {
  await client.create({ name: 'gpu', capacity: 1 });
  await client.acquire({ name: 'gpu', holder: 'a' });
  await client.acquire({ name: 'gpu', holder: 'b' });
  await until('b was granted what a has lost', async () => {
    const { permits = [] } = await client.permits({ name: 'gpu' });
    return permits.some(({ holder, state }) => holder === 'b' && state === 'held');
  });
}

t.test('each thing that happens is told once', async (t) => {
  const told: LifeCycleEvent[] = [];
  const ofType = <Type extends LifeCycleType>(type: Type) =>
    told.filter((event): event is LifeCycleEventOf<Type> => event.type === type);
  const lifeCycle = new LifeCycle(logLines().logger, systemClock);
  lifeCycle.follow((event) => told.push(event));
  // Nobody is there, so that the loop fails.
  const { node, client } = await startSemaphores(t, lifeCycle, {
    OWL_SEMAPHORE_NOTIFY_URL: 'http://127.0.0.1:9/',
  });
  t.equal(node.lifeCycle, lifeCycle);
  await use(client);
  await t.rejects(client.acquire({ name: 'none', holder: 'a' }));
  await until('the loop has failed', () => ofType('loop failed').length > 0);
  await node.stop();

  const done = ofType('command carried out');
  const granted = done.filter(({ by, events }) => by === 'reactor:grants-permits' && events === 1);
  t.equal(granted.length, 1, 'the reactor granted one permit');
  t.match(ofType('command refused'), [{ category: 'semaphore', kind: 'not_found' }]);
  const sum = (events: readonly { readonly events: number }[]) =>
    events.reduce((all, { events: count }) => all + count, 0);
  const stored = sum(done);
  t.ok(stored >= 5, `created, granted, awaited, expired, granted: ${stored}`);
  t.equal(sum(ofType('events appended')), stored);
  t.equal(sum(ofType('store flushed')), stored);
  t.equal(sum(ofType('events applied').filter(({ projection }) => projection === 'permits')), stored);
  t.match(ofType('timer fired')[0], { category: 'semaphore', name: 'a', lateMs: Number });
  t.ok(ofType('timer fired').every(({ lateMs }) => lateMs >= 0));
  const calls = ofType('call ended');
  t.equal(calls.filter(({ code }) => code === 5).length, 1, 'one was refused as NOT_FOUND');
  t.equal(calls.filter(({ method }) => method === '/semaphore.Semaphores/create').length, 1);
  t.match(ofType('loop failed')[0], { loop: 'tells-holders', failures: 1, reason: 'fetch failed' });
  t.match(
    told.filter(({ type }) => type.startsWith('node ')).map(({ type }) => type),
    ['node starting', 'node serving', 'node stopping', 'node stopped'],
  );
});

t.test('while nobody listens nothing is made of what a command, an append or a call does', async (t) => {
  const made = new Map<string, number>();
  class Counting extends LifeCycle {
    override tell(event: LifeCycleEvent): void {
      made.set(event.type, (made.get(event.type) ?? 0) + 1);
    }
  }
  const { node, client } = await startSemaphores(t, new Counting(logLines().logger, systemClock));
  await use(client);
  await node.stop();
  t.same(
    new Set(made.keys()),
    new Set(['store back', 'node starting', 'node serving', 'node stopping', 'node stopped']),
  );
});
