/** `owl store events`: what it shows of a stream, on both stores, while others have them open, and where something is wrong. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { openDatabase } from '../../src/base/sqlite.js';
import type { EventStore } from '../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { propose } from '../support/events.js';
import { openStore, startNode } from '../support/eventstoredb-stores.js';
import { makeOlder } from '../support/older-store.js';
import { owl, type TerminalOptions } from '../support/terminal-double.js';

const STREAM = 'owl_caller-shed-3';
const EVENTS = 300;

interface Given {
  readonly store: EventStore;
  show(args: readonly string[], options?: TerminalOptions): ReturnType<typeof owl>;
}

const GIVEN: Readonly<Record<string, (t: Test) => Promise<Given>>> = {
  SQLite: async (t) => {
    const cwd = t.testdir({ data: {} });
    const store = openSqliteEventStore(join(cwd, 'data', 'owl.db'));
    t.teardown(() => store.close());
    return {
      store,
      show: (args, options) => owl(['store', 'events', ...args, '--from', 'data'], { cwd, ...options }),
    };
  },
  'the EventStoreDB double': async (t) => {
    const node = await startNode(t);
    return {
      store: await openStore(t, node),
      show: (args, options) =>
        owl(['store', 'events', ...args, '--from', node.connectionString], {
          cwd: t.testdir({}),
          ...options,
        }),
    };
  },
};

async function fill(store: EventStore): Promise<void> {
  const events = Array.from({ length: EVENTS }, (_, n) =>
    propose(
      {
        caller: 'shed-3',
        operation: 'plot.stop',
        reason: `it has worker,\n\u001b[2Jand this needs more ${n}`,
      },
      {
        type: 'CallDenied',
        metadata: {
          ...{ time: 1_700_000_000_000 + n * 1_000, by: 'access' },
          ...{ $correlationId: 'a', $causationId: 'b' },
        },
      },
    ),
  );
  await store.append(STREAM, 'noStream', events);
  await store.append('owl_caller-shed-4', 'noStream', [propose()]);
}

const Line = z.object({ revision: z.number(), damage: z.string().optional() });

function revisionsIn(stdout: string): number[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => Line.parse(JSON.parse(line)).revision);
}

for (const [name, given] of Object.entries(GIVEN)) {
  t.test(`${name}: a stream is shown as a table and as JSON, from either end`, async (t) => {
    const { store, show } = await given(t);
    await fill(store);
    const told = await show([STREAM, '--limit', '2']);
    t.match(told, { code: 0, stderr: '' });
    t.match(
      told.stdout,
      /^REV +TIME +EVENT +BY +DATA\n +0 +2023-11-1\d \d\d:\d\d:\d\d +CallDenied +access +caller shed-3,/,
    );
    t.match(told.stdout.replaceAll(/\s+/g, ' '), 'operation plot.stop, reason it has worker,');
    t.notMatch(told.stdout, '\u001b');
    t.notMatch(told.stdout, /^ *2 /m);
    for (const line of told.stdout.split('\n')) t.ok(line.length <= 80, line);

    const all = await show([STREAM, '--json']);
    t.strictSame(
      revisionsIn(all.stdout),
      Array.from({ length: EVENTS }, (_, at) => at),
    );
    t.match(JSON.parse(all.stdout.split('\n')[7] ?? ''), {
      ...{ stream: STREAM, revision: 7, type: 'CallDenied', version: 1, time: 1_700_000_007, by: 'access' },
      ...{ correlation_id: 'a', causation_id: 'b', data: { caller: 'shed-3', operation: 'plot.stop' } },
    });
    const newest = await show([STREAM, '--json', '--newest-first']);
    t.strictSame(revisionsIn(newest.stdout), revisionsIn(all.stdout).reverse());
    const part = async (...args: string[]) => revisionsIn((await show([STREAM, '--json', ...args])).stdout);
    t.strictSame(await part('--newest-first', '--limit', '2'), [299, 298]);
    t.strictSame(await part('--revision', '5', '--limit', '2'), [5, 6]);
    t.strictSame(await part('--revision', '1', '--newest-first'), [1, 0]);
    t.strictSame(await part('--revision', '900', '--newest-first', '--limit', '1'), [299]);
  });

  t.test(`${name}: what is not there is told`, async (t) => {
    const { store, show } = await given(t);
    await fill(store);
    t.match(await show(['owl_caller-shet-4']), {
      code: 1,
      stdout: '',
      stderr: /there is no stream owl_caller-shet-4 in /,
    });
    if (name === 'SQLite')
      t.match(await show(['owl_caller-shet-4']), { stderr: /did you mean owl_caller-shed-4\?/ });
    t.match(await show([STREAM, '--revision', '300']), {
      code: 1,
      stderr: /shed-3 ends at revision 299, before/,
    });
    t.match(await show(['shed']), { code: 2, stderr: /"shed" is no name of a stream/ });
    t.match(await show([STREAM, '--limit', '0']), { code: 2, stderr: /--limit must be a whole number/ });
  });
}

t.test(
  'SQLite: damaged and missing events are told in their place, and the file stays as it is',
  async (t) => {
    const cwd = t.testdir({ data: {} });
    const path = join(cwd, 'data', 'owl.db');
    const store = openSqliteEventStore(path);
    await fill(store);
    await store.close();
    const change = (sql: string) => {
      const db = openDatabase(path);
      db.exec(sql);
      db.close();
    };
    change('UPDATE events SET time = 7 WHERE revision = 1 AND stream_no = 1');
    change('DELETE FROM events WHERE revision IN (3, 4) AND stream_no = 1');
    // JavaScript can't hold it, so its whole batch can't be read at once.
    change('UPDATE events SET position = 9223372036854775807 WHERE revision = 280 AND stream_no = 1');
    const before = readFileSync(path);
    const show = (...args: string[]) => owl(['store', 'events', STREAM, '--from', 'data', ...args], { cwd });
    const found = await show('--json');
    t.equal(found.code, 0, found.stderr);
    t.match(found.stderr, /3 of 299 rows can't be gone by; `owl store check`/);
    const all = Array.from({ length: EVENTS }, (_, at) => at).filter((at) => at !== 4);
    t.strictSame(revisionsIn(found.stdout), all);
    const lines = found.stdout.split('\n');
    t.match(JSON.parse(lines[1] ?? ''), { revision: 1, damage: /its checksum is not that/ });
    t.match(JSON.parse(lines[3] ?? ''), { revision: 3, damage: 'revisions 3 to 4 are missing' });
    t.match(
      lines.find((line) => line.includes('"revision":280')),
      /"damage":/,
    );
    t.strictSame(revisionsIn((await show('--json', '--newest-first')).stdout).length, all.length);
    t.strictSame(
      revisionsIn((await show('--json', '--newest-first', '--limit', '2', '--revision', '5')).stdout),
      [5, 4],
    );
    t.match((await show('--limit', '2')).stdout, /^ +1 .*damaged: /m);
    t.strictSame(readFileSync(path), before);
  },
);

t.test('SQLite: one of the version before is read as it is', async (t) => {
  const cwd = t.testdir({ data: {} });
  const path = join(cwd, 'data', 'owl.db');
  const store = openSqliteEventStore(path);
  await fill(store);
  await store.close();
  await makeOlder(path);
  const before = readFileSync(path);
  const { code, stdout } = await owl(['store', 'events', STREAM, '--json', '--from', 'data'], { cwd });
  t.equal(code, 0);
  t.equal(revisionsIn(stdout).length, EVENTS);
  t.strictSame(readFileSync(path), before);
});

t.test('EventStoreDB: a changed record is told in its place', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  await fill(store);
  node.log.records.find(({ revision }) => revision === 2n)?.data.set(Buffer.from('{"caller":"x'), 0);
  const show = (...args: string[]) =>
    owl(['store', 'events', STREAM, '--from', node.connectionString, ...args], { cwd: t.testdir({}) });
  const found = await show('--json', '--limit', '4');
  t.match(found, { code: 0, stderr: /1 of 4 rows/ });
  t.match(JSON.parse(found.stdout.split('\n')[2] ?? ''), { revision: 2, damage: /checksum/ });
});
