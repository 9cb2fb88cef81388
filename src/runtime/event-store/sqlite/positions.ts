/** Positions of a SQLite event store: they count its events, and sort as strings do. */

import { OwlError } from '../../../base/errors.js';
import { type Position, START } from '../event-store.js';

/** Fixed width, so that positions sort as strings do; 16 digits hold every safe integer. 0 is before every event. */
export function formatPosition(position: number): Position {
  return position === 0 ? START : String(position).padStart(16, '0');
}

/** @throws OwlError kind `invalid` when it isn't a position of this kind of store */
export function parsePosition(position: Position): number {
  const found = numberOf(position);
  if (found === undefined) {
    throw new OwlError(
      'invalid',
      `${JSON.stringify(position)} is no position of a SQLite event store; positions of another store mean nothing here`,
    );
  }
  return found;
}

/** Positions have no holes, so this is also the share of the events. See `EventStore.shareOf`. */
export function shareOf(position: Position, end: Position): number | undefined {
  const [part, whole] = [numberOf(position), numberOf(end)];
  if (part === undefined || whole === undefined) return undefined;
  return part < whole ? part / whole : 1;
}

/** Undefined for what is no position of this kind of store. */
export function numberOf(position: Position): number | undefined {
  if (position === START) return 0;
  return /^\d{16}$/.test(position) ? Number(position) : undefined;
}
