/** The SQLite driver with databases whose files can be kept from growing. Stands in its place in processes on bad ground. */

import * as driver from '@photostructure/sqlite';

// Whatever else it has; the class below stands in the place of the driver's.
export * from '@photostructure/sqlite';

const LARGEST_PAGE_COUNT = 1_073_741_823;
const databases = new Set<WeakRef<DatabaseSync>>();

export class DatabaseSync extends driver.DatabaseSync {
  constructor(...args: ConstructorParameters<typeof driver.DatabaseSync>) {
    super(...args);
    databases.add(new WeakRef(this));
  }
}

/** SQLite itself then says that the disk is full: a limit below what there is means no page more. */
export function limitDatabases(full: boolean): void {
  for (const known of databases) {
    const database = known.deref();
    try {
      if (database === undefined) databases.delete(known);
      else database.exec(`PRAGMA max_page_count = ${full ? 1 : LARGEST_PAGE_COUNT}`);
    } catch {
      // It has been closed.
      databases.delete(known);
    }
  }
}
