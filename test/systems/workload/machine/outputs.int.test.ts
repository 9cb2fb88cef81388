/** What is stored of a job: under names of its own, whole or not at all, whatever the disk does. */

import fs, { mkdirSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { nameOfAttempt } from '../../../../src/systems/workload/wire/attempt-names.js';
import { until } from '../../../support/until.js';
import { farStorage, noFarStorage, TASK_UID, world } from '../support/pilot-world.js';

t.test('each attempt has names of its own', (t) => {
  for (const [name, attempt, stored] of [
    ['words.j1.txt', 2, 'words.j1.a2.txt'],
    ['words', 1, 'words.a1'],
    ['.hidden', 3, '.hidden.a3'],
    ['a.', 1, 'a.a1.'],
    ['a.tar.gz', 1, 'a.tar.a1.gz'],
  ] as const)
    t.equal(nameOfAttempt(name, attempt), stored);
  t.end();
});

t.test('two attempts at a job never write one file, and none writes over what is there', async (t) => {
  const { node, order, input, pilot, stored, storage } = await world(t);
  await pilot();
  const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
  node.offer(order('j', inputs));
  await node.outcome('j');
  node.offer(order('j', { ...inputs, attempt: 2 }));
  await node.outcome('j', 2);
  t.same(Object.keys(stored()).sort(), [
    ...['log.a1.txt', 'log.a2.txt', 'out.a1.txt', 'out.a2.txt'].map((name) => `${TASK_UID}/${name}`),
  ]);
  mkdirSync(join(storage, 'out', 'k'), { recursive: true });
  writeFileSync(join(storage, 'out', 'k', 'out.a1.txt'), 'of somebody else');
  node.offer(order('k', { ...inputs, task: 'k' }));
  const { failed } = await node.outcome('k');
  t.match(failed, { failure_class: 'storage_unavailable', detail: /there already|EEXIST/ });
  t.equal(stored()['k/out.a1.txt'], 'of somebody else');
});

/** No flush succeeds while it is full. */
function fullDisk(t: Test): { isFull: boolean; failed: number } {
  const disk = { isFull: false, failed: 0 };
  const { fsync } = fs;
  const failing = new Proxy(fsync, {
    apply: (target, self, args: Parameters<typeof fsync>) => {
      if (!disk.isFull) return Reflect.apply(target, self, args);
      disk.failed += 1;
      const [, done] = args;
      setImmediate(done, Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }));
    },
  });
  Object.assign(fs, { fsync: failing });
  syncBuiltinESMExports();
  t.teardown(() => {
    Object.assign(fs, { fsync });
    syncBuiltinESMExports();
  });
  return disk;
}

t.test('a disk that is full is tried again in place, and the payload is not run again', async (t) => {
  const { node, order, input, pilot, stored } = await world(t);
  const disk = fullDisk(t);
  await pilot({}, { storagePatienceMs: 60_000 });
  const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
  node.offer(order('j', { ...inputs, executable: 'wait' }));
  await until('it runs', () => node.of('j').length === 2);
  disk.isFull = true;
  input('go-j', '');
  await until('it was tried again', () => disk.failed > 2);
  disk.isFull = false;
  t.match(await node.outcome('j'), { finished: {} });
  t.equal(stored()[`${TASK_UID}/out.a1.txt`], 'out\n');
  t.equal(node.of('j').filter(({ started }) => started).length, 1, 'it ran once');
});

for (const isFar of [false, true])
  t.test(
    `${isFar ? 'far away one' : 'one'} that stays full is a loss of the machine, and leaves nothing`,
    { skip: isFar && noFarStorage },
    (t) => staysFull(t, isFar),
  );

async function staysFull(t: Test, isFar: boolean): Promise<void> {
  const { node, order, input, pilot, stored } = await world(t, isFar ? farStorage(t) : undefined);
  const disk = fullDisk(t);
  await pilot();
  node.offer(order('j', { executable: 'wait', inputs: [input('a', 'a')], inputs_total: 1 }));
  await until('it runs', () => node.of('j').length === 2);
  disk.isFull = true;
  input('go-j', '');
  const { failed } = await node.outcome('j');
  t.match(failed, { failure_class: 'storage_unavailable', detail: /ENOSPC.*log could not be stored/ });
  t.same(stored(), {});
}
