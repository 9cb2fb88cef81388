/** `owl store copy` as a command: its two ends, what it says, and what it refuses. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/base/clock.js';
import { openDatabase } from '../../src/base/sqlite.js';
import { openDataDirectory } from '../../src/node/data-directory.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { proposeMany } from '../support/events.js';
import { openStore, startNode } from '../support/eventstoredb-stores.js';
import { contentOf, fill } from '../support/histories.js';
import { runTalent } from '../support/running-talent.js';
import { owl } from '../support/terminal-double.js';

const SIZE = { streams: 4, eventsPerStream: 5 };

/** A data directory with a history. */
async function makeData(path: string): Promise<string> {
  openDataDirectory(path, systemClock).release();
  const store = openSqliteEventStore(join(path, 'owl.db'));
  await fill(store, SIZE);
  await store.close();
  return path;
}

async function contentIn(data: string) {
  const store = openSqliteEventStore(join(data, 'owl.db'));
  try {
    return await contentOf(store);
  } finally {
    await store.close();
  }
}

async function start(t: Test) {
  const cwd = t.testdir();
  const node = await startNode(t);
  const data = await makeData(join(cwd, 'data'));
  const copy = (from: string, to: string, ...more: string[]) =>
    owl(['store', 'copy', '--from', from, '--to', to, ...more], { cwd });
  return { cwd, node, data, esdb: node.connectionString, copy };
}

await t.test('a history goes to EventStoreDB and comes back', async (t) => {
  const { cwd, node, data, esdb, copy } = await start(t);
  const out = await copy('data', esdb);
  t.equal(out.code, 0, out.stderr);
  t.match(out.stdout, /^20 events of 4 streams copied and verified in \S+\ndigest [0-9a-f]{64}\n$/);
  t.match(out.stderr, /reading the source\ncopying: 0\.0%, 0 of 20 events\nverifying/);
  t.strictSame(await contentOf(await openStore(t, node)), await contentIn(data));

  const back = await copy(esdb, 'back', '--json');
  t.equal(back.code, 0, back.stderr);
  const summary: unknown = JSON.parse(back.stdout);
  t.match(summary, {
    from: esdb,
    to: join(cwd, 'back'),
    events: 20,
    streams: 4,
    copied: 20,
    resumed_at: 0,
    foreign_events: 0,
    digest: /digest (\S+)/.exec(out.stdout)?.[1],
    seconds: Number,
  });
  t.strictSame(await contentIn(join(cwd, 'back')), await contentIn(data));
  t.notOk(existsSync(join(cwd, 'back', 'owl.db.copy')), 'it became the database');

  const again = await copy(esdb, 'back');
  t.match(again.stdout, /^20 events of 4 streams \(20 were there already\)/);

  const store = await openStore(t, node);
  await store.append('history-0', 4, proposeMany(1));
  const more = await copy(esdb, 'back');
  t.match(more, { code: 1, stdout: '', stderr: /holds the beginning of this history/ });
  t.strictSame(
    await contentIn(join(cwd, 'back')),
    await contentIn(data),
    'a finished copy is never written to',
  );
});

await t.test('a talent serves a copied history, also where one had been without any', async (t) => {
  const { cwd, data, esdb, copy } = await start(t);
  const target = join(cwd, 'target');
  const before = await runTalent(target);
  const { address } = before;
  t.match(await owl(['plot', 'list'], { env: { OWL_SERVER: address } }), { code: 0 });

  const locked = await copy(data, target);
  t.match(locked, { code: 1, stderr: /is in use by process/ }, 'not while it runs');
  t.match(await copy(target, esdb), { code: 1, stderr: /is in use by process/ });
  await before.stop();

  t.match(await copy(target, esdb), { code: 1, stderr: /the source holds no events/ });
  t.match(await copy(data, esdb), { code: 0 });
  t.match(await copy(esdb, target), { code: 0 });
  t.strictSame(await contentIn(target), await contentIn(data));
  const after = await runTalent(target);
  t.match(await owl(['plot', 'list'], { env: { OWL_SERVER: after.address } }), { code: 0 });
  await after.stop();
});

await t.test('a directory with another history, or one that was damaged, stays as it is', async (t) => {
  const { cwd, data, esdb, copy } = await start(t);
  const other = await makeData(join(cwd, 'other'));
  const content = await contentIn(other);
  t.match(await copy(data, other), { code: 1, stdout: '', stderr: /the target isn't empty/ });
  t.strictSame(await contentIn(other), content);

  await copy(data, esdb);
  await copy(esdb, 'back');
  const db = openDatabase(join(cwd, 'back', 'owl.db'));
  db.exec("UPDATE events SET data = '{}' WHERE position = 7");
  db.close();
  t.match(await copy(esdb, 'back'), { code: 1, stdout: '', stderr: /the target isn't empty/ });
});

await t.test('what can not be meant is said before anything is touched', async (t) => {
  const { cwd, esdb, copy } = await start(t);
  t.match(await copy(esdb, esdb), { code: 2, stderr: /one of them must be a data directory/ });
  t.match(await copy('data', 'postgres://owl:secret@host'), { code: 2, stderr: /--to must be/ });
  t.match(await copy('data', 'esdb://host:99999'), { code: 1, stderr: /port/ });
  t.notMatch((await copy('data', 'x://owl:secret@host')).stderr, 'secret');
  t.match(await copy('missing', esdb), { code: 1, stderr: /no data directory with a history/ });
  t.notOk(existsSync(join(cwd, 'missing')));
  t.match(await copy('data', 'data'), { code: 1, stderr: /is in use by/ });
  t.match(await owl(['store', 'copy', '--from', 'data'], { cwd }), { code: 2, stderr: /--to/ });
});

await t.test('a user and a password are refused on the command line, and named by a file', async (t) => {
  const { cwd, copy } = await start(t);
  const withPassword = 'esdb://owl:secret@localhost:1?tls=false';
  const rule =
    'must name no user and password on the command line, which others can see; put them into a file (--credentials-file)';
  for (const [from, to, option] of [
    ['data', withPassword, '--to'],
    [withPassword, 'other', '--from'],
    ['data', 'esdb://owl:secret@host:99999', '--to'],
  ] as const) {
    const { code, stdout, stderr } = await copy(from, to);
    t.strictSame([code, stdout], [2, '']);
    t.match(stderr, `owl: ${option} ${rule}\n`);
    t.notMatch(stderr, 'secret');
  }
  t.notOk(existsSync(join(cwd, 'other')));
  for (const command of ['check', 'info', 'events', 'backup', 'compact']) {
    const args = command === 'events' ? ['history-1'] : command === 'backup' ? ['copy.db'] : [];
    const told = await owl(['store', command, ...args, '--from', withPassword], { cwd });
    t.match(told, { code: 2, stdout: '', stderr: `--from ${rule}` }, command);
    // Where it may stand: nobody is there to be asked with it.
    if (command === 'backup' || command === 'compact') continue;
    const env = { OWL_STORE: withPassword };
    t.match(await owl(['store', command, ...args], { cwd, env }), {
      code: 1,
      stderr: /no EventStoreDB can be/,
    });
  }
});

await t.test('a terminal gets one line that fills up', async (t) => {
  const { cwd, esdb } = await start(t);
  const { code, stderr } = await owl(['store', 'copy', '--from', 'data', '--to', esdb], {
    cwd,
    screen: { columns: 100, rows: 30 },
  });
  t.equal(code, 0, stderr);
  t.match(stderr, `${'█'.repeat(30)}  verifying: 100.0%, 20 of 20 events\n`);
});

await t.test('a server that is away is told in one sentence, and nothing is left or made', async (t) => {
  const { cwd, node, data, copy } = await start(t);
  await node.stop();
  const away = `${node.connectionString}&defaultDeadline=300`;
  const before = readdirSync(data);
  const sentence =
    /^owl: no EventStoreDB can be used at esdb:\/\/\S+ \(.+\); start one there, or name another\n$/;
  t.match(await copy(data, away), { code: 1, stdout: '', stderr: sentence });
  t.strictSame(readdirSync(data), before);
  t.match(await copy(away, 'new'), { code: 1, stdout: '', stderr: sentence });
  t.notOk(existsSync(join(cwd, 'new')));
  t.match(await owl(['store', 'check', '--from', away], { cwd }), { code: 1, stdout: '', stderr: sentence });
});
