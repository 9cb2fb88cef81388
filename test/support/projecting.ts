/** A store and a database of read models on one file, as a node has them, and projectors that stop with the test. */

import { join } from 'node:path';
import type { Test } from 'tap';
import type { Database } from '../../src/base/sql.js';
import { openDatabase, type SqliteDatabase } from '../../src/base/sqlite.js';
import type { EventStore } from '../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type { Projection } from '../../src/runtime/read-models/projection.js';
import { Projector, type ProjectorOptions } from '../../src/runtime/read-models/projector.js';
import { type LogLines, logLines } from './log-lines.js';
import { ManualClock } from './manual-clock.js';

export interface Projecting {
  readonly file: string;
  readonly store: EventStore;
  readonly db: Database;
  readonly clock: ManualClock;
  readonly log: LogLines;
  projector(projection: Projection, options?: Partial<ProjectorOptions>): Projector;
  /** Called when the test ends, the last one first, and before store and database are closed. */
  onEnd(release: () => unknown): void;
  /** One more connection to the database of read models. */
  openReadModels(): SqliteDatabase;
}

export function projecting(t: Test): Projecting {
  const file = join(t.testdir(), 'owl.db');
  const store = openSqliteEventStore(file);
  const clock = new ManualClock();
  const log = logLines();
  const releases: (() => unknown)[] = [];
  t.teardown(async () => {
    for (const release of releases.reverse()) await release();
  });
  releases.push(() => store.close());
  const openReadModels = () => {
    const db = openDatabase(file);
    releases.push(() => db.close());
    return db;
  };
  const db = openReadModels();
  return {
    file,
    store,
    db,
    clock,
    log,
    openReadModels,
    onEnd: (release) => releases.push(release),
    projector: (projection, options = {}) => {
      const projector = new Projector({ store, db, projection, clock, logger: log.logger, ...options });
      releases.push(() => projector.stop());
      return projector;
    },
  };
}
