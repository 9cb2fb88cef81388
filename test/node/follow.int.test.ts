/** Following the events of a system over gRPC: the semaphore's, from a real node, over its restart. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Settings } from '../../src/node/config/config.js';
import { type RunningNode, startNode } from '../../src/node/node.js';
import { ofKind } from '../support/events.js';
import { localCredentials } from '../support/local-credentials.js';
import { logLines } from '../support/log-lines.js';
import { testDirectory } from '../support/test-directory.js';
import { semaphoreSystem } from '../systems/semaphore/system.js';
import {
  type Followed,
  type PermitEvent,
  SemaphoreClient,
} from '../systems/semaphore/wire/semaphore-client.js';

async function start(t: Test, data: string): Promise<{ node: RunningNode; client: SemaphoreClient }> {
  const systems = [semaphoreSystem];
  const config = new Settings([...systems]).load({
    env: {},
    cwd: '/',
    flags: { data, listen: '127.0.0.1:0', systems: 'semaphore' },
  });
  const node = await startNode({ systems, config, logger: logLines().logger });
  t.teardown(() => node.stop());
  const client = new SemaphoreClient({ server: node.address, credentials: localCredentials(data) });
  t.teardown(() => client.close());
  return { node, client };
}

/** Takes messages until so many events were taken. */
async function taken(messages: AsyncGenerator<Followed>, count: number) {
  const events: PermitEvent[] = [];
  let cursor = '';
  while (events.length < count) {
    const { value, done } = await messages.next();
    if (done === true) break;
    events.push(...(value.events ?? []));
    ({ cursor = '' } = value);
  }
  return { events, cursor };
}

t.test('a follower misses nothing and hears nothing twice, over a restart of the node', async (t) => {
  const data = join(testDirectory(t), 'data');
  const { node, client } = await start(t, data);
  await client.create({ name: 'gpu', capacity: 1 });
  await client.create({ name: 'disk', capacity: 1 });
  const names = Array.from({ length: 300 }, (_, n) => `job-${n}`);
  const following = client.followed({ name: 'gpu' });
  await Promise.all(names.slice(0, 200).map((holder) => client.acquire({ name: 'gpu', holder })));
  await client.acquire({ name: 'disk', holder: 'nobody' });
  // It has taken nothing until now.
  const before = await taken(following, 201);
  await node.stop();
  t.same((await taken(following, Number.POSITIVE_INFINITY)).events, [], 'its end is in order');

  const { client: later } = await start(t, data);
  const goingOn = later.followed({ name: 'gpu', after: before.cursor });
  await Promise.all(names.slice(200).map((holder) => later.acquire({ name: 'gpu', holder })));
  const after = await taken(goingOn, 100);
  const [created, ...permits] = [...before.events, ...after.events];
  t.match(created, { semaphore: 'gpu', type: 'SemaphoreCreated' });
  t.same(permits.map(({ holder }) => holder).sort(), [...names].sort(), 'each once');
  t.same(permits.filter(({ type }) => type === 'PermitAcquired').length, 1);
  t.ok(permits.every(({ semaphore }) => semaphore === 'gpu'));
  await goingOn.return(undefined);
  const whole = await taken(later.followed({ name: 'gpu' }), 301);
  t.same(whole.events, [created, ...permits], 'in the order of what is stored');
  await t.rejects(later.followed({ after: 'x' }).next(), { ...ofKind('invalid'), message: /^after: / });
  await t.rejects(later.followed({ after: '9999999999999999' }).next(), ofKind('refused'));
});
