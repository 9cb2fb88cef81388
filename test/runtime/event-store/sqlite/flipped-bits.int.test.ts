/** Single bits of rows, turned over at random places of a fixed seed: each is found by who reads, or changes nothing. */

import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { EventStore } from '../../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect, propose } from '../../../support/events.js';
import { bytesOfRows, flip } from '../../../support/flipped-bits.js';
import { randomFrom } from '../../../support/random.js';

const STREAMS = ['task-a', 'task-b', 'task-c'];
const FLIPS = 400;

/** Events as talent has them, and of every other kind that a row knows. */
async function fill(store: EventStore): Promise<void> {
  for (let n = 0; n < 4; n++) {
    const cause = randomUUID();
    for (const stream of STREAMS) {
      const metadata = { time: 1_795_000_000_000 + n, $correlationId: cause, $causationId: cause };
      const named = { ...metadata, $correlationId: randomUUID(), commandId: cause, by: 'overlord 127.0.0.1' };
      await store.append(stream, 'any', [
        propose(
          { progress: n * 1.5, p1_stage: 'computing', done: n % 2 === 0 },
          { type: 'Reported', metadata },
        ),
        propose({ memo: randomUUID(), n }, { type: 'Ordered', version: 2, metadata: named }),
        propose(
          { deep: [{ n }] },
          { type: 'Other', metadata: { ...metadata, $causationId: `c ${n}`, time: n / 7 } },
        ),
      ]);
    }
  }
}

async function readEverything(path: string) {
  const store = openSqliteEventStore(path);
  try {
    const all = await collect(store.readAll());
    const streams = [];
    for (const stream of STREAMS) streams.push(await collect(store.readStream(stream)));
    return { all, streams };
  } finally {
    await store.close();
  }
}

t.test(`${FLIPS} flips in rows of events and of what they name`, async (t) => {
  const path = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(path);
  await fill(store);
  await store.close();
  const good = await readEverything(path);
  const file = readFileSync(path);
  const places = ['events', 'event_shapes', 'event_sources'].flatMap((table) => bytesOfRows(path, table));
  const random = randomFrom(11);
  const outcomes = { damaged: 0, refused: 0, same: 0 };
  for (let n = 0; n < FLIPS; n++) {
    const [byte, bit] = [places[Math.floor(random() * places.length)] ?? 0, Math.floor(random() * 8)];
    const flipped = join(t.testdirName, `${n}.db`);
    writeFileSync(flipped, flip(file, byte, bit));
    const found = await readEverything(flipped).catch((error: unknown) => {
      if (error instanceof Error) return error;
      throw error;
    });
    if (found instanceof Error) outcomes.refused++;
    else if ([...found.all, ...found.streams.flat()].some(({ damage }) => damage !== undefined))
      outcomes.damaged++;
    else {
      t.strictSame(found, good, `bit ${bit} of byte ${byte} changes nothing`);
      outcomes.same++;
    }
  }
  t.comment(JSON.stringify(outcomes));
  t.ok(outcomes.damaged > 0.8 * FLIPS, `${outcomes.damaged} of ${FLIPS} are told as damage of an event`);
});
