/** What finished tasks take of the embedded store, where there are no others, and what it lies in. */

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { numberIn, textIn } from '../src/base/sql.js';
import { openDatabase } from '../src/base/sqlite.js';
import { line, whole } from './figures.js';
import { Load } from './load.js';
import { Part } from './part.js';

const IN_FLIGHT = 1024;
/** What takes less of a task is told together. */
const WORTH_TELLING = 100;

export async function tellStoreBytes(tasks: number): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'owl-bench-'));
  try {
    const part = await Part.start('./server.js', { args: ['talent', data] });
    const load = new Load(part.address);
    await load.finish(IN_FLIGHT, tasks);
    load.close();
    // With the stop the log is moved into the database file, and what the node keeps of its actors is written.
    await part.stop();
    const file = join(data, 'owl.db');
    line(
      `bytes of store per finished task, all of ${whole(tasks)} are finished`,
      whole(statSync(file).size / tasks),
    );
    let others = 0;
    for (const [name, bytes] of partsOf(file)) {
      if (bytes / tasks < WORTH_TELLING) others += bytes;
      else line(`  in ${name}`, whole(bytes / tasks));
    }
    line('  in others', whole(others / tasks));
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

/** Tables and indexes, the largest first. */
function partsOf(file: string): [name: string, bytes: number][] {
  const db = openDatabase(file);
  try {
    return db
      .prepare('SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY bytes DESC')
      .all()
      .map((row) => [textIn(row, 'name'), numberIn(row, 'bytes')]);
  } finally {
    db.close();
  }
}
