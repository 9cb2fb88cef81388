/** Holds the rows of the read models against the rows that the events make, column by column, computed columns too. */

import type { Row } from './sqlite-files.js';
import type { Value } from './stored-event.js';
import type { Violations } from './violations.js';

/** Sums in another order differ in the last digits. */
const RELATIVE_ERROR = 1e-9;

export interface TableCheck {
  readonly name: string;
  /** Whose row it is. */
  readonly key: string;
  readonly rows: readonly Row[];
  /** By key: the rows as the events make them. */
  readonly expected: ReadonlyMap<string, Row>;
  /** Keys of rows that are not to be compared. */
  readonly except: (key: string) => boolean;
}

/** How many rows it has compared. */
export function checkTable(check: TableCheck, violations: Violations): number {
  const { name, key, rows, expected, except } = check;
  const there = new Map(rows.map((row) => [String(row[key]), row]));
  if (there.size !== rows.length) violations.add('rows-equal-fold', name, `several rows for one ${key}`);
  for (const [id, row] of there) {
    if (except(id)) continue;
    const wanted = expected.get(id);
    if (wanted === undefined) violations.add('rows-equal-fold', `${name} ${id}`, 'no event made this row');
    else compare(`${name} ${id}`, row, wanted, violations);
  }
  for (const id of expected.keys())
    if (!there.has(id) && !except(id)) violations.add('rows-equal-fold', `${name} ${id}`, 'there is no row');
  return there.size;
}

function compare(where: string, row: Row, wanted: Row, violations: Violations): void {
  for (const column of new Set([...Object.keys(row), ...Object.keys(wanted)])) {
    if (!Object.hasOwn(row, column)) {
      violations.add('rows-equal-fold', where, `there is no column ${column}`);
      continue;
    }
    const [is, should] = [row[column] ?? null, wanted[column] ?? null];
    const equal = column === 'stages' ? sameObject(is, should) : same(is, should);
    if (!equal) violations.add('rows-equal-fold', where, `${column} is ${is}, the events make it ${should}`);
  }
}

function same(one: Value, other: Value): boolean {
  if (typeof one !== 'number' || typeof other !== 'number') return one === other;
  return Math.abs(one - other) <= RELATIVE_ERROR * Math.max(Math.abs(one), Math.abs(other));
}

/** Objects in JSON, whatever the order of their fields. */
function sameObject(one: Value, other: Value): boolean {
  if (one === null || other === null) return one === other;
  const sorted = (json: Value) => JSON.stringify(Object.entries(JSON.parse(String(json))).toSorted());
  return sorted(one) === sorted(other);
}
