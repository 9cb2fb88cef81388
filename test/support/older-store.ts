/** A file as the version of owl before rows had shapes and checksums has left it: its tables, its rows, its number. */

import { openDatabase } from '../../src/base/sqlite.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { collect } from './events.js';

/** Makes one of today's, which nobody has open, one of before. Positions, revisions and ids stay. */
export async function makeOlder(path: string): Promise<void> {
  const store = openSqliteEventStore(path);
  const events = await collect(store.readAll());
  await store.close();
  const db = openDatabase(path);
  const update = db.prepare(
    'UPDATE events SET type = ?, version = ?, data = ?, metadata = ? WHERE position = ?',
  );
  db.transaction(() => {
    for (const { type, version, data, metadata, position } of events)
      update.run(type, version, JSON.stringify(data), JSON.stringify(metadata), Number(position));
    db.exec('DROP VIEW stored_events; DROP TABLE event_shapes; DROP TABLE event_sources');
    for (const column of ['shape', 'time', 'cause', 'source', 'checksum'])
      db.exec(`ALTER TABLE events DROP COLUMN ${column}`);
    db.exec('PRAGMA user_version = 1');
  });
  db.close();
}
