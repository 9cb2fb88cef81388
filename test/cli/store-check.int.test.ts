/** `owl store check`: what it finds in a data directory and in EventStoreDB, what it says, and what it leaves alone. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import t, { type Test } from 'tap';
import { openDatabase } from '../../src/base/sqlite.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { propose, proposeMany } from '../support/events.js';
import { openStore, startNode } from '../support/eventstoredb-stores.js';
import { flip, pagesOf } from '../support/flipped-bits.js';
import { contentOf, fill } from '../support/histories.js';
import { makeOlder } from '../support/older-store.js';
import { randomFrom } from '../support/random.js';
import { owl } from '../support/terminal-double.js';

const SIZE = { streams: 4, eventsPerStream: 5 };

async function makeData(t: Test, changes: readonly string[] = []) {
  const cwd = t.testdir({ data: {} });
  const path = join(cwd, 'data', 'owl.db');
  const store = openSqliteEventStore(path);
  await fill(store, SIZE);
  await store.close();
  const db = openDatabase(path);
  for (const change of changes) db.exec(change);
  db.close();
  const check = (...more: string[]) => owl(['store', 'check', '--from', 'data', ...more], { cwd });
  return { cwd, path, check };
}

await t.test('nothing is wrong: told in one line, as JSON, and of the configured store', async (t) => {
  const { cwd, path, check } = await makeData(t);
  const told = await check();
  t.equal(told.code, 0, told.stderr);
  t.match(told.stdout, /^20 events of 4 streams read in \S+: nothing is wrong\n$/);
  t.match(
    told.stderr,
    /^reading all events\nreading each stream: 0\.0%, .*\nlooking at tables and indexes: 100/,
  );
  const { stdout } = await check('--json');
  t.match(JSON.parse(stdout), {
    from: join(cwd, 'data'),
    ...{ events: 20, streams: 4, foreign_events: 0, without_checksum: 0, problem_count: 0, problems: [] },
  });
  t.match(await owl(['store', 'check'], { cwd }), { code: 0, stdout: /^20 events/ });
  await makeOlder(path);
  const before = readFileSync(path);
  const older = await check();
  t.match(older, {
    code: 0,
    stdout: /nothing is wrong/,
    stderr: /20 events of an older version have no checksum/,
  });
  t.strictSame(readFileSync(path), before, 'the file of before is as it was');
});

await t.test('each fault is named by stream and revision', async (t) => {
  const cases: readonly [string, RegExp, object][] = [
    [
      'UPDATE events SET time = 7 WHERE position = 6',
      /history-\d, revision 1, position 0{15}6\n {2}its checksum is not that of what is stored\n/,
      { problem_count: 1, problems: [{ revision: 1, position: '0000000000000006' }] },
    ],
    [
      'DELETE FROM events WHERE position = 6',
      /position 0{15}6\n {2}there is no event\n.*, revision 1\n {2}revision 1 is missing\n/,
      { problem_count: 2 },
    ],
    [
      'DELETE FROM events WHERE position = 20',
      /^history-\d\n {2}it should end at revision 4, and ends at 3\n/,
      { problem_count: 1 },
    ],
    [
      `UPDATE events SET id = (SELECT id FROM events WHERE revision = 0 AND stream_no = 1) WHERE revision = 1 AND stream_no = 1`,
      /its checksum is not .*\n.*\n {2}its id \S+ is that of revision 0, too/,
      { problem_count: 2 },
    ],
    [
      `UPDATE events SET data = json_set(data, '$.deep.b[1].a', json('false')) WHERE position = 6`,
      /history-\d, revision 1, position 0{15}6\n {2}its checksum is not that of what is stored\n/,
      { problem_count: 1 },
    ],
    ['UPDATE event_shapes SET text = 7 WHERE no = 1', /its checksum is not|its shape is not in the file/, {}],
    ['UPDATE events SET position = 99 WHERE position = 6', /position 0{14}99\n {2}its checksum is not/, {}],
  ];
  for (const [change, text, json] of cases) {
    await t.test(change, async (t) => {
      const { check } = await makeData(t, [change]);
      const told = await check();
      t.equal(told.code, 1);
      t.match(told.stdout, text);
      t.match(told.stderr, /problems? found in .*; restore a backup/);
      t.match(JSON.parse((await check('--json')).stdout), json);
    });
  }
});

await t.test('an id twice in a stream is found also where every checksum is good', async (t) => {
  const { path, check } = await makeData(t);
  const store = openSqliteEventStore(path);
  const event = propose();
  await store.append('history-0', 4, [event]);
  await store.append('history-0', 5, proposeMany(1));
  await store.append('history-0', 6, [event]);
  await store.close();
  t.match(await check(), {
    code: 1,
    stdout: /^history-0, revision 7, .*\n {2}its id \S+ is that of revision 5, too\n/,
  });
});

const FLIPS = 60;
await t.test(`${FLIPS} flips anywhere in tables and indexes are found, or change nothing`, async (t) => {
  const { cwd, path, check } = await makeData(t);
  const file = readFileSync(path);
  const names = [
    'events',
    'sqlite_autoindex_events_1',
    'streams',
    'sqlite_autoindex_streams_1',
    'event_shapes',
  ];
  const pages = names.flatMap((name) => pagesOf(path, name));
  const good = await contentIn(path);
  const random = randomFrom(5);
  const outcomes = { found: 0, same: 0 };
  for (let n = 0; n < FLIPS; n++) {
    const page = pages[Math.floor(random() * pages.length)] ?? { start: 0, size: 1 };
    const byte = page.start + Math.floor(random() * page.size);
    writeFileSync(path, flip(file, byte, Math.floor(random() * 8)));
    const { code } = await check();
    if (code === 1) outcomes.found++;
    else {
      outcomes.same++;
      t.strictSame(await contentIn(path), good, `byte ${byte}`);
    }
  }
  t.comment(JSON.stringify(outcomes), cwd);
  t.ok(outcomes.found > 0);
});

async function contentIn(path: string) {
  const store = openSqliteEventStore(path);
  try {
    return await contentOf(store);
  } finally {
    await store.close();
  }
}

await t.test('EventStoreDB: a changed record, and streams of others', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  await fill(store, SIZE);
  const foreign = {
    id: crypto.randomUUID(),
    type: 'x',
    json: true,
    data: Buffer.from('1'),
    metadata: Buffer.of(),
  };
  node.log.append('nobodys', 'any', [foreign]);
  const check = (...more: string[]) => owl(['store', 'check', '--from', node.connectionString, ...more]);
  t.match(await check(), { code: 0, stdout: /^20 events of 4 streams read in \S+: nothing is wrong\n$/ });
  t.match(JSON.parse((await check('--json')).stdout), { foreign_events: 1, problem_count: 0 });
  const record = node.log.records.find(({ stream, revision }) => stream === 'history-2' && revision === 3n);
  record?.data.set(Buffer.from('{"n":7'), 0);
  const told = await check();
  t.match(told, { code: 1, stdout: /^history-2, revision 3, position .*\n {2}its checksum is not that of/ });
});

await t.test('what can not be meant, and what is not there', async (t) => {
  const cwd = t.testdir({ data: {} });
  const check = (...args: string[]) => owl(['store', 'check', ...args], { cwd });
  t.match(await check('--from', 'postgres://owl:secret@host'), {
    code: 2,
    stderr: /--from must be a data directory or/,
  });
  t.match(await check('--from', 'data'), { code: 1, stderr: /is no data directory with a history/ });
  writeFileSync(join(cwd, 'data', 'owl.db'), '');
  t.match(await check('--from', 'data'), { code: 1, stderr: /holds no events of owl/ });
});

await t.test('a terminal gets one line that fills up', async (t) => {
  const { cwd } = await makeData(t);
  const screen = { columns: 80, rows: 30 };
  const { stderr } = await owl(['store', 'check', '--from', 'data'], { cwd, screen });
  // What draws the line anew takes no columns.
  const lines = stripVTControlCharacters(stderr).split('\n');
  t.ok(
    lines.every((line) => line.length < 80),
    stderr,
  );
});
