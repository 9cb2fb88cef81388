/** Values of a row that may be damaged: each is what it should be, or something that says it is not. Nothing here throws. */

import type { SqlRow, SqlValue } from '../../../base/sql.js';
import type { EventMetadata } from '../event-store.js';
import { parseJson } from '../json-levels.js';

export const UUID_BYTES = 16;
/** In the place of an id that can't be read. */
export const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Undefined in the place of an id that can't be read. */
export function placeOf({ id, position, revision }: SqlRow) {
  return {
    id: typeof id === 'string' && id.length === 2 * UUID_BYTES ? uuidOf(id) : undefined,
    position: numberOr(0, position),
    revision: numberOr(0, revision),
  };
}

/** What its JSON gives; undefined where it is none, or none that an event can have. */
export function parsed(text: SqlValue | undefined): unknown {
  return typeof text === 'string' ? parseJson(text) : undefined;
}

export function textOr(otherwise: string, value: SqlValue | undefined): string {
  return typeof value === 'string' ? value : otherwise;
}

export function base64Of(value: SqlValue | undefined): string {
  const bytes = value instanceof Uint8Array ? value : Buffer.from(String(value ?? ''), 'utf8');
  return Buffer.from(bytes).toString('base64');
}

export function unknownMetadata(id: string): EventMetadata {
  return { time: 0, $correlationId: id, $causationId: id };
}

export function bytesOf(uuid: string): Uint8Array {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** @param hex 32 digits */
export function uuidOf(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function numberOr(otherwise: number, value: SqlValue | undefined): number {
  return typeof value === 'number' && Number.isInteger(value) ? value : otherwise;
}
