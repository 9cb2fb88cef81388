/** `owl store info`: what it says of a data directory and of EventStoreDB, how fast they grow, and what it leaves alone. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { openDatabase } from '../../src/base/sqlite.js';
import type { EventStore } from '../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { propose } from '../support/events.js';
import { openStore, startNode } from '../support/eventstoredb-stores.js';
import { owl } from '../support/terminal-double.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const EVENTS_OF_A_PLOT = 4;

/** One plot at each of these days before now, and a supervisor on the first. */
async function fill(store: EventStore, daysAgo: readonly number[]): Promise<void> {
  const at = (days: number, type: string) => ({
    type,
    metadata: { time: Date.now() - days * DAY_MS, $correlationId: 'a', $causationId: 'b' },
  });
  const [first = 0] = daysAgo;
  await store.append('supervisor-w', 'noStream', [propose({ n: 1 }, at(first, 'SupervisorAttached'))]);
  for (const [plot, days] of daysAgo.entries()) {
    const events = Array.from({ length: EVENTS_OF_A_PLOT }, (_, step) =>
      propose({ step, remarks: 'x'.repeat(1_000) }, at(days, 'PlotTaskReported')),
    );
    await store.append(`plot_task-p${plot}`, 'noStream', events);
  }
}

async function makeData(t: Test, daysAgo: readonly number[]) {
  const cwd = t.testdir({ data: {} });
  const path = join(cwd, 'data', 'owl.db');
  const store = openSqliteEventStore(path);
  await fill(store, daysAgo);
  await store.close();
  const info = (...more: string[]) => owl(['store', 'info', '--from', 'data', ...more], { cwd });
  return { cwd, path, info };
}

const Info = z.object({
  ...{ events: z.number(), streams: z.number(), unreadable: z.number(), recent_days: z.number() },
  ...{ file_bytes: z.number().nullable(), bytes_a_year: z.number().nullable() },
  categories: z.array(
    z.object({
      ...{ category: z.string(), streams: z.number(), events: z.number(), bytes: z.number() },
      ...{
        bytes_each: z.number(),
        streams_a_day: z.number().nullable(),
        bytes_a_year: z.number().nullable(),
      },
    }),
  ),
});

t.test('what a plot takes and what that is in a year is measured on the store', async (t) => {
  // Of 50 plots the newest 20 count for the pace: one a day.
  const older = Array.from({ length: 30 }, (_, at) => 400 - at);
  const newer = Array.from({ length: 20 }, (_, at) => 29.5 - at);
  const { path, info } = await makeData(t, [...older, ...newer]);
  const before = readFileSync(path);
  const told = await info('--json');
  t.equal(told.code, 0, told.stderr);
  const found = Info.parse(JSON.parse(told.stdout));
  t.match(found, { events: 201, streams: 51, unreadable: 0, recent_days: 30 });
  t.equal(found.file_bytes, before.length);
  const [plots, supervisors] = found.categories;
  t.match(plots, { category: 'plot_task', streams: 50, events: 200 });
  t.match(supervisors, { category: 'supervisor', streams: 1, events: 1, streams_a_day: 0, bytes_a_year: 0 });
  const all = found.categories.reduce((sum, { bytes }) => sum + bytes, 0);
  t.ok(Math.abs(all - before.length) <= 2, 'all that is in use is somebody’s');
  const each = plots?.bytes_each ?? 0;
  t.ok(each > 4_000 && each < 8_000, `${each} bytes of four events with 1,000 characters`);
  t.ok(Math.abs((plots?.streams_a_day ?? 0) - 20 / 30) < 0.001);
  const aYear = (each * 20 * 365) / 30;
  t.ok(Math.abs((plots?.bytes_a_year ?? 0) - aYear) < 0.01 * aYear, `${plots?.bytes_a_year}, not ${aYear}`);
  t.equal(found.bytes_a_year, plots?.bytes_a_year);

  const { stdout } = await info();
  t.match(stdout, /^store +\/[\s\S]+\nevents +201 events of 51 streams, from \d{4}-/);
  t.match(stdout, /^WHAT +STREAMS +EVENTS? +SIZE +EACH +A DAY +IN A YEAR\nplots +50 +200 /m);
  t.match(
    stdout,
    /A store only grows: nothing is removed from it\. As in the last 30 days, that is 1\.\d MiB more in a year/,
  );
  t.strictSame(readFileSync(path), before, 'the file is as it was');
});

t.test('a store that is younger than a day tells no pace, an empty one nothing', async (t) => {
  const { info } = await makeData(t, [0.5, 0]);
  t.match(await info(), { code: 0, stdout: /it tells when it is a day old/ });
  t.match(Info.parse(JSON.parse((await info('--json')).stdout)), { bytes_a_year: null });
  const empty = await makeData(t, []);
  const db = openDatabase(empty.path);
  db.exec('DELETE FROM events; DELETE FROM streams');
  db.close();
  t.match(await empty.info(), { code: 0, stdout: /^store [\s\S]*\nevents +0 events of 0 streams\nfile / });
});

t.test('what is no store is told', async (t) => {
  t.match(await owl(['store', 'info', '--from', 'nowhere'], { cwd: t.testdir({}) }), {
    code: 1,
    stderr: /is no data directory with a history/,
  });
});

t.test('of EventStoreDB it tells the events alone', async (t) => {
  const node = await startNode(t);
  const store = await openStore(t, node);
  await fill(store, [10, 9, 8]);
  const told = await owl(['store', 'info', '--from', node.connectionString, '--json'], {
    cwd: t.testdir({}),
  });
  t.equal(told.code, 0, told.stderr);
  const found = Info.parse(JSON.parse(told.stdout));
  t.match(found, { events: 13, streams: 4, file_bytes: null });
  t.ok((found.categories[0]?.bytes_each ?? 0) > 4_000);
  t.ok((found.bytes_a_year ?? 0) > 0);
});
