/** `owl store backup`: a copy while a talent works, what comes of it when it is put in the place of the original, and refusals. */

import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { PlotManagerClient } from '../../src/systems/talent/wire/plot-manager-client.js';
import { proposeMany } from '../support/events.js';
import { contentOf, fill } from '../support/histories.js';

import { runTalent } from '../support/running-talent.js';
import { orderFor } from '../support/talent-node.js';
import { owl } from '../support/terminal-double.js';
import { until } from '../support/until.js';

await t.test('of a talent that takes orders; a talent starts on the copy and goes on', async (t) => {
  const cwd = t.testdir({ restored: {} });
  const data = join(cwd, 'data');
  const before = await runTalent(data);
  const client = new PlotManagerClient({ server: before.address });
  let orders = 0;
  let stopped = false;
  const ordering = (async () => {
    while (!stopped) {
      await client.create(orderFor(`task-${orders}`));
      orders++;
    }
  })();
  await until('some are there', () => orders > 20);
  const atLeast = orders;
  const backup = await owl(['store', 'backup', '--from', 'data', 'copy.db', '--json'], { cwd });
  t.equal(backup.code, 0, backup.stderr);
  await until('more were ordered', () => orders > atLeast + 20);
  stopped = true;
  await ordering;
  client.close();
  await before.stop();
  const told: unknown = JSON.parse(backup.stdout);
  const { size, mode } = statSync(join(cwd, 'copy.db'));
  t.match(told, { from: data, file: join(cwd, 'copy.db'), events: Number, bytes: size });
  t.equal(mode & 0o777, 0o600);

  const restored = join(cwd, 'restored');
  copyFileSync(join(cwd, 'copy.db'), join(restored, 'owl.db'));
  const check = await owl(['store', 'check', '--from', 'restored', '--json'], { cwd });
  t.match(JSON.parse(check.stdout), { events: Object(told).events, problem_count: 0 }, 'all of it is good');
  const after = await runTalent(restored);
  const again = new PlotManagerClient({ server: after.address });
  const { tasks = [] } = await again.list({ page_size: 1000 });
  t.ok(tasks.length >= atLeast && tasks.length <= orders, `${tasks.length} of ${atLeast} to ${orders} tasks`);
  t.match(await again.stop({ task_id: 'task-0' }), { is_success: true });
  again.close();
  await after.stop();
});

await t.test(
  'in the place of a history that has gone on, the talent sees that it was restored',
  async (t) => {
    const cwd = t.testdir();
    const data = join(cwd, 'data');
    const order = async (taskIds: readonly string[]) => {
      const talent = await runTalent(data);
      const client = new PlotManagerClient({ server: talent.address });
      for (const taskId of taskIds) await client.create(orderFor(taskId));
      const { tasks = [] } = await client.list({});
      client.close();
      await talent.stop();
      return tasks.map(({ task_id }) => task_id).toSorted();
    };
    await order(['a', 'b']);
    t.match(await owl(['store', 'backup', '--from', 'data', 'copy.db'], { cwd }), {
      code: 0,
      stdout: /^2 events and/,
    });
    t.strictSame(await order(['c']), ['a', 'b', 'c']);
    copyFileSync(join(cwd, 'copy.db'), join(data, 'owl.db'));
    t.strictSame(await order(['d']), ['a', 'b', 'd'], 'read models are those of the copy, and go on');
  },
);

await t.test(
  'beside a writer that never rests, the copy is the history as it was at one moment',
  async (t) => {
    const cwd = t.testdir({ data: {} });
    const store = openSqliteEventStore(join(cwd, 'data', 'owl.db'));
    t.teardown(() => store.close());
    await fill(store, { streams: 20, eventsPerStream: 20 });
    let stopped = false;
    let written = 0;
    const writing = (async () => {
      for (; !stopped; written++) await store.append(`busy-${written % 7}`, 'any', proposeMany(3));
    })();
    const told = await owl(['store', 'backup', '--from', 'data', 'copy.db', '--json'], { cwd });
    stopped = true;
    await writing;
    t.equal(told.code, 0, told.stderr);
    const copy = openSqliteEventStore(join(cwd, 'copy.db'));
    const [content, original] = [await contentOf(copy), await contentOf(store)];
    await copy.close();
    for (const [stream, events] of Object.entries(content))
      t.strictSame(
        events,
        original[stream]?.slice(0, events.length),
        `${stream} is the beginning of the original`,
      );
    const counted = Object.values(content).reduce((sum, events) => sum + events.length, 0);
    t.equal(counted, JSON.parse(told.stdout).events);
    t.equal(counted % 3, 400 % 3, 'each append is in it as a whole');
  },
);

await t.test('refusals leave everything as it is', async (t) => {
  const cwd = t.testdir({ data: {}, empty: {} });
  const store = openSqliteEventStore(join(cwd, 'data', 'owl.db'));
  await fill(store, { streams: 1, eventsPerStream: 1 });
  await store.close();
  writeFileSync(join(cwd, 'there'), 'mine');
  const backup = (...args: string[]) => owl(['store', 'backup', ...args], { cwd });
  t.match(await backup('--from', 'data', 'there'), { code: 1, stdout: '', stderr: /there is there already/ });
  t.match(await backup('--from', 'data', 'none/copy.db'), {
    code: 1,
    stderr: /could not be written to .*ENOENT/,
  });
  t.match(await backup('--from', 'empty', 'copy.db'), {
    code: 1,
    stderr: /no data directory with a history/,
  });
  t.match(await backup('--from', 'esdb://localhost:1', 'copy.db'), { code: 2, stderr: /is EventStoreDB/ });
  t.match(await backup('--from', 'data'), { code: 2, stderr: /FILE/ });
  mkdirSync(join(cwd, 'directory'));
  t.match(await backup('--from', 'data', 'directory'), { code: 1, stderr: /is there already/ });
  t.notOk(existsSync(join(cwd, 'copy.db')));
  t.strictSame(readdirSync(cwd).toSorted(), ['data', 'directory', 'empty', 'there']);
  t.match(await backup('copy.db'), {
    code: 0,
    stdout: /^1 event and their read models copied in .*copy\.db, /,
  });
});
