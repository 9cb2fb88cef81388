/** Rows of switches: whether each is on, whether what it forbids has ended, and who has switched it last, when and why. One that nobody has touched has none. */

import type { KeptStatements } from '../../src/base/sql.js';
import { idOf, ORDER_ACCEPTED, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import type { ProjectionTable } from '../../src/runtime/read-models/projection.js';
import { StreamRows, timeOf, valueIn } from './rows.js';

export const SWITCHES: ProjectionTable = {
  table: 'wl_switches',
  createTable: (table) => `CREATE TABLE ${table} (
    name TEXT PRIMARY KEY,
    enabled INTEGER NOT NULL DEFAULT 1,
    strict INTEGER NOT NULL DEFAULT 0,
    ending INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    switched_by TEXT,
    switched_time REAL,
    update_time REAL NOT NULL,
    revision INTEGER NOT NULL
  ) STRICT`,
  indexes: [],
};

export class SwitchRows {
  private readonly rows: StreamRows;

  constructor(statements: KeptStatements, table: string) {
    this.rows = new StreamRows(statements, table, 'name');
  }

  apply(event: RecordedEvent): void {
    const { stream, type, data, metadata } = event;
    if (!this.rows.has(stream))
      this.rows.insert({ name: idOf(stream), update_time: timeOf(event), revision: event.revision - 1 });
    if (this.rows.before(event, 'name') === undefined) return;
    if (type === ORDER_ACCEPTED) {
      this.rows.update(event, {});
      return;
    }
    if (type === 'SwitchSettled') {
      this.rows.update(event, { ending: 0 });
      return;
    }
    if (type !== 'SwitchedOff' && type !== 'SwitchedOn') throw new Error(`${type} is no event of a switch`);
    this.rows.update(event, {
      enabled: type === 'SwitchedOn' ? 1 : 0,
      strict: data['strict'] === true ? 1 : 0,
      ending: type === 'SwitchedOff' ? 1 : 0,
      reason: valueIn(data, 'reason'),
      switched_by: metadata.by ?? null,
      switched_time: timeOf(event),
    });
  }
}
