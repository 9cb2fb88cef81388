/** `owl store copy` as a process that is killed or interrupted in the middle: the same command goes on and ends well. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import t, { type Test } from 'tap';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type { EventStoreDbNode } from '../support/eventstoredb-node/node.js';
import { openStore, startNode } from '../support/eventstoredb-stores.js';
import { contentOf, fill } from '../support/histories.js';
import { startOwl } from '../support/owl-process.js';
import { until } from '../support/until.js';

const SIZE = { streams: 80, eventsPerStream: 15 };
const TOTAL = 1_200;

/** A look that disturbs nobody who writes there. 0 while there is no such file, or no table in it yet. */
function countOf(file: string): number {
  if (!existsSync(file)) return 0;
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    // Positions of the embedded store count its events.
    return Number(db.prepare('SELECT coalesce(max(position), 0) AS count FROM events').get()?.['count'] ?? 0);
  } catch {
    return 0;
  } finally {
    db.close();
  }
}

function eventsOn(node: EventStoreDbNode): number {
  return node.log.records.filter(({ type }) => !type.startsWith('$')).length;
}

/** From then on the client is not answered any more: what it knows and what is stored differ. */
async function untilStuck(node: EventStoreDbNode): Promise<void> {
  await until('some events are there', () => eventsOn(node) > 0);
  node.faults.fallSilent();
}

async function makeSource(t: Test, node: EventStoreDbNode | undefined, cwd: string) {
  const store = node === undefined ? openSqliteEventStore(join(cwd, 'owl.db')) : await openStore(t, node);
  await fill(store, SIZE);
  const content = await contentOf(store);
  await store.close();
  return content;
}

async function copyAgain(t: Test, args: readonly string[], cwd: string): Promise<number> {
  const ended = await startOwl(t, args, { cwd }).ended;
  t.equal(ended.code, 0, ended.stderr);
  const summary: { events?: number; resumed_at?: number } = JSON.parse(ended.stdout);
  t.equal(summary.events, TOTAL);
  return summary.resumed_at ?? 0;
}

for (const signal of ['SIGKILL', 'SIGINT'] as const) {
  await t.test(`to EventStoreDB, ended by ${signal}`, async (t) => {
    const cwd = t.testdir({ data: {} });
    const node = await startNode(t);
    const content = await makeSource(t, undefined, join(cwd, 'data'));
    const args = ['store', 'copy', '--from', 'data', '--to', node.connectionString, '--json'];
    const first = startOwl(t, args, { cwd });
    await untilStuck(node);
    first.child.kill(signal);
    if (signal === 'SIGINT') node.faults.speak();
    const ended = await first.ended;
    if (signal === 'SIGINT') {
      t.equal(ended.code, 130);
      t.match(ended.stderr, /interrupted; the same command goes on from here\n$/);
    }
    node.faults.speak();
    const there = eventsOn(node);
    t.ok(there > 0 && there < TOTAL, `${there} events are there`);
    // What the process had sent before it died may arrive after it.
    t.ok((await copyAgain(t, args, cwd)) >= there, 'it went on from there');
    t.strictSame(await contentOf(await openStore(t, node)), content);
  });
}

await t.test('to a data directory, killed', async (t) => {
  const cwd = t.testdir();
  const node = await startNode(t);
  const content = await makeSource(t, node, cwd);
  const args = ['store', 'copy', '--from', node.connectionString, '--to', 'data', '--json'];
  // Slow enough that the first chunk is there long before the last one.
  node.faults.delayMs = 1;
  const first = startOwl(t, args, { cwd });
  const unfinished = join(cwd, 'data', 'owl.db.copy');
  await until('some events are there', () => countOf(unfinished) > 0);
  first.child.kill('SIGKILL');
  await first.ended;
  node.faults.delayMs = 0;
  t.notOk(existsSync(join(cwd, 'data', 'owl.db')), 'an unfinished copy is no history');
  const there = countOf(unfinished);
  t.ok(there > 0 && there < TOTAL, `${there} events are there`);
  t.equal(await copyAgain(t, args, cwd), there);
  t.strictSame(readdirSync(join(cwd, 'data')), ['owl.db', 'owl.lock'], 'no side files');
  const store = openSqliteEventStore(join(cwd, 'data', 'owl.db'));
  t.strictSame(await contentOf(store), content);
  await store.close();
});
