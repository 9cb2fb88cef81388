/**
 * A talent whose disk or files fail it: nothing is told that could be lost, health says so, and the process ends with an error
 * of which the log tells once.
 */

import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDatabase } from '../../../../src/base/sqlite.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { badDisk } from '../../../support/bad-disk.js';
import { collect, ofKind } from '../../../support/events.js';
import { healthOf, watchHealth } from '../../../support/health.js';
import { type RunningTalent, startOwl, startTalentProcess } from '../../../support/owl-process.js';
import { orderFor, startTalentNode } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';

const UNAVAILABLE = ofKind('unavailable');
const PRELOADED = new URL('../../../support/bad-disk.js', import.meta.url).href;

t.afterEach(() => badDisk.letGo());

interface Started extends RunningTalent {
  readonly client: PlotManagerClient;
  /** What its disk does from now on. */
  setMood(mood: string): void;
}

async function start(t: Test, cwd: string): Promise<Started> {
  const moodFile = join(cwd, 'mood');
  const env = { NODE_OPTIONS: `--import=${PRELOADED}`, OWL_TEST_DISK: moodFile };
  const running = await startTalentProcess(t, ['--data', 'data'], cwd, env);
  const client = new PlotManagerClient({ server: running.address });
  t.teardown(() => client.close());
  return { ...running, client, setMood: (mood) => writeFileSync(moodFile, mood) };
}

/** It has ended by itself, and the log says why in one error. */
async function endsBecause(t: Test, talent: Started, reason: RegExp): Promise<void> {
  const { code, stderr } = await talent.process.ended;
  t.equal(code, 1);
  const errors = stderr.split('\n').filter((line) => /"level":[56]0/.test(line));
  t.equal(errors.length, 1, stderr);
  t.match(errors[0], reason);
  t.match(stderr, /owl: owl talent has ended, since it can not rely on its data directory any more/);
}

t.test(
  'a flush fails: the caller hears it, nobody hears of the task, and nothing else is told',
  async (t) => {
    const node = await startTalentNode(t);
    const { client, talent, log } = node;
    await client.create(orderFor('kept'));
    const order = { ...orderFor('lost'), command_id: 'order' };
    const watching = t.rejects(collect(client.watch({})), UNAVAILABLE);
    const health = await watchHealth(node.address);
    badDisk.mood = 'failing';
    await t.rejects(client.create(order), UNAVAILABLE);
    badDisk.mood = 'well';
    await t.rejects(client.create(order), UNAVAILABLE, 'the same again is no success');
    await t.rejects(client.create(orderFor('lost')), UNAVAILABLE, 'nor is there a refusal');
    await t.rejects(collect(client.history({ task_id: 'lost' })), UNAVAILABLE);
    await t.rejects(collect(client.history({ task_id: 'kept' })), UNAVAILABLE);
    await t.rejects(client.status({ task_id: 'lost' }), UNAVAILABLE);
    await health.notServing;
    t.equal(await healthOf(node.address), 'NOT_SERVING');
    t.match(await talent.lost, { message: /could not be flushed to the disk/ });
    t.equal(log.messages('error').length, 1);
    await node.stop();
    await watching;

    const again = await startTalentNode(t, { data: node.data });
    t.equal((await again.client.create(order)).is_success, true, 'a new start knows what it holds');
    t.equal((await collect(again.client.history({ task_id: 'lost' }))).length, 1, 'once');
  },
);

t.test('a flush fails under a process: it says so, ends in order, and its successor goes on', async (t) => {
  const cwd = t.testdir();
  const talent = await start(t, cwd);
  await talent.client.create(orderFor('kept'));
  const health = await watchHealth(talent.address);
  const order = { ...orderFor('lost'), command_id: 'order' };
  talent.setMood('failing');
  await t.rejects(talent.client.create(order), UNAVAILABLE);
  await t.rejects(talent.client.create(order), UNAVAILABLE);
  await health.notServing;
  await endsBecause(t, talent, /owl\.db could not be flushed to the disk \(EIO/);
  t.ok(
    statSync(join(cwd, 'data', 'owl.db-wal')).size > 0,
    'what may be lost was not brought into the database',
  );
  talent.setMood('well');
  const next = await start(t, cwd);
  t.equal((await next.client.create(order)).is_success, true);
  t.equal((await collect(next.client.history({ task_id: 'lost' }))).length, 1);
  t.equal((await collect(next.client.history({ task_id: 'kept' }))).length, 1);
});

t.test(
  'the database is deleted under a running talent: nothing is acknowledged, and no start forgets it',
  async (t) => {
    const cwd = t.testdir();
    const talent = await start(t, cwd);
    await talent.client.create(orderFor('kept'));
    for (const name of ['owl.db', 'owl.db-wal', 'owl.db-shm']) rmSync(join(cwd, 'data', name));
    await t.rejects(talent.client.create(orderFor('lost')), UNAVAILABLE);
    await endsBecause(t, talent, /owl\.db was deleted, moved or replaced while this process had it open/);
    const next = await startOwl(t, ['talent', '--data', 'data', '--listen', '127.0.0.1:0'], { cwd }).ended;
    t.match(next, {
      code: 1,
      stdout: '',
      stderr: /a node has worked in .* before, but .*owl\.db is missing/,
    });
  },
);

t.test('the lock is deleted and another talent takes the directory: the first one ends', async (t) => {
  const cwd = t.testdir();
  const talent = await start(t, cwd);
  await talent.client.create(orderFor('kept'));
  rmSync(join(cwd, 'data', 'owl.lock'));
  const other = await start(t, cwd);
  await endsBecause(t, talent, /owl\.lock was deleted or replaced/);
  t.equal(JSON.parse(readFileSync(join(cwd, 'data', 'owl.pid'), 'utf8')).pid, other.process.child.pid);
  t.equal((await other.client.create(orderFor('more'))).is_success, true);
});

t.test('an empty database where a node has worked is refused with what to do', async (t) => {
  const first = await startTalentNode(t);
  await first.stop();
  const database = join(first.data, 'owl.db');
  const refusal = {
    kind: 'refused',
    message: /owl\.db is missing or holds no events of owl; restore it from a backup, or .* remove worker-id/,
  };
  truncateSync(database);
  await t.rejects(startTalentNode(t, { data: first.data }), refusal, 'emptied');
  rmSync(database);
  await t.rejects(startTalentNode(t, { data: first.data }), refusal, 'deleted');
  const other = openDatabase(database);
  other.exec('CREATE TABLE something (n INTEGER)');
  other.close();
  await t.rejects(startTalentNode(t, { data: first.data }), refusal, 'of something else');
  rmSync(database);
  rmSync(join(first.data, 'worker-id'));
  writeFileSync(join(first.data, 'read-models.db'), '');
  await t.rejects(startTalentNode(t, { data: first.data }), refusal, 'read models of another store');
  rmSync(join(first.data, 'read-models.db'));
  await startTalentNode(t, { data: first.data });
});

t.test('another program holds the lock of the database: health says so, and comes back', async (t) => {
  const node = await startTalentNode(t);
  const other = openDatabase(join(node.data, 'owl.db'));
  t.teardown(() => other.close());
  const health = await watchHealth(node.address);
  other.exec('BEGIN IMMEDIATE');
  const refused = t.rejects(node.client.create(orderFor('first')), {
    ...UNAVAILABLE,
    message: /locked by another process/,
  });
  t.equal(await healthOf(node.address), 'SERVING', 'it answers meanwhile');
  await refused;
  await health.notServing;
  other.exec('ROLLBACK');
  await until('it serves', async () => (await healthOf(node.address)) === 'SERVING');
  t.equal((await node.client.create(orderFor('first'))).is_success, true);
});
