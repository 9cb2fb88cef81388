/**
 * Positions of EventStoreDB's transaction log (commit and prepare, 64 bits each) as the strings of the port: 32 digits,
 * hexadecimal, so that they sort as the numbers do.
 */

import { OwlError } from '../../../../base/errors.js';
import { type Position, START } from '../../event-store.js';
import type { FieldReader } from '../connection/protobuf.js';

export interface LogPosition {
  /** Decimal digits, as the protocol's classes carry 64-bit numbers. */
  readonly commit: string;
  readonly prepare: string;
}

/** What a server writes where it has no position: all bits. */
const NO_POSITION = '18446744073709551615';
const NO_POSITION_HEX = 'f'.repeat(16);

export function formatPosition(commit: string, prepare: string): Position {
  return hex(commit) + hex(prepare);
}

/** The position of a record or an answer; undefined where the server gave none. */
export function positionOf(
  at: { getCommitPosition(): string; getPreparePosition(): string } | undefined,
): Position | undefined {
  if (at === undefined || at.getCommitPosition() === NO_POSITION) return undefined;
  return formatPosition(at.getCommitPosition(), at.getPreparePosition());
}

/** The same of what was read as bytes: 16 hexadecimal digits each. */
export function positionAt(commit: string, prepare: string): Position | undefined {
  return commit === NO_POSITION_HEX ? undefined : commit + prepare;
}

/** In a message that holds nothing else: commit position and prepare position are its first fields. */
export function positionIn(fields: FieldReader): Position | undefined {
  let [commit, prepare] = [ZERO, ZERO];
  for (let field = fields.next(); field > 0; field = fields.next()) {
    if (field === 1) commit = fields.hex;
    else if (field === 2) prepare = fields.hex;
  }
  return positionAt(commit, prepare);
}

/** A field that is not there. */
export const ZERO = '0'.repeat(16);

/**
 * Undefined stands for the start.
 * @throws OwlError kind `invalid` when it isn't a position of this kind of store
 */
export function parsePosition(position: Position): LogPosition | undefined {
  if (position === START) return undefined;
  if (!isLogPosition(position)) {
    throw new OwlError(
      'invalid',
      `${JSON.stringify(position)} is no position of EventStoreDB; positions of another store mean nothing here`,
    );
  }
  return { commit: decimal(position.slice(0, 16)), prepare: decimal(position.slice(16)) };
}

/**
 * Of the bytes of the log, which is how the server counts: records of its own and of other programs are among them. See
 * `EventStore.shareOf`.
 */
export function shareOf(position: Position, end: Position): number | undefined {
  if (![position, end].every((one) => one === START || isLogPosition(one))) return undefined;
  return position < end ? bytesUpTo(position) / bytesUpTo(end) : 1;
}

/** The later of two positions. */
export function laterOf(a: Position, b: Position): Position {
  return a > b ? a : b;
}

function isLogPosition(position: Position): boolean {
  return /^[0-9a-f]{32}$/.test(position);
}

/** The log's first record stands at 0, which is not the start. */
function bytesUpTo(position: Position): number {
  const at = parsePosition(position);
  return at === undefined ? 0 : Number(at.commit) + 1;
}

function hex(decimalDigits: string): string {
  return BigInt(decimalDigits).toString(16).padStart(16, '0');
}

function decimal(hexDigits: string): string {
  return BigInt(`0x${hexDigits}`).toString();
}
