/**
 * An event's metadata as its row holds it (row-format.ts). Guarantees that metadata of any kind comes back as it was, and that
 * what columns hold is never guessed: what is of another kind than they take stands in the column `metadata`, as JSON.
 */

import type { SqlRow } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';
import { isMetadata, metadataProblem } from '../append-check.js';
import { canonicalJson } from '../canonical.js';
import { type EventMetadata, isJsonObject, type JsonObject } from '../event-store.js';
import { isUuid } from '../ids.js';
import { Dictionary } from './dictionary.js';
import { parsed, UUID_BYTES, uuidOf } from './row-values.js';

/** Who told an event is one of so many texts; a text that is one more stands in its rows. */
const MOST_SOURCES = 4_096;
const UUID_DIGITS = 2 * UUID_BYTES;
/** What a table of texts gives back as it was. */
const PLAIN_TEXT = /^[\x20-\x7e]{1,200}$/;

export interface MetadataColumns {
  readonly time: number | null;
  /** Hex digits, and dashes between them. */
  readonly cause: string | null;
  readonly source: number | null;
  /** JSON of what is in no other column; empty for nothing. */
  readonly metadata: string;
  /** Its canonical JSON, where all of it is in the other columns. */
  readonly canonical: string | undefined;
}

export interface DecodedMetadata {
  /** Undefined where it is none. */
  readonly good: EventMetadata | undefined;
  /** Canonical JSON. */
  readonly canonical: string;
  /** Why it is none. */
  readonly problem: string | undefined;
}

export class RowMetadata {
  private readonly sources: Dictionary;

  constructor(db: SqliteDatabase) {
    this.sources = new Dictionary(db, 'event_sources');
  }

  /** Inside a transaction, since a source may be new. */
  encode(given: EventMetadata): MetadataColumns {
    const { time, $causationId, $correlationId, commandId, by, ...others } = given;
    const cause = causeOf($causationId, $correlationId, commandId);
    const source = by === undefined ? undefined : this.sourceOf(by);
    const known =
      Number.isSafeInteger(time) && cause !== undefined && (source !== undefined || by === undefined);
    if (known && hasNothing(others)) {
      const canonical = canonicalOf(given);
      return { time, cause, source: source ?? null, metadata: '', canonical };
    }
    const rest: JsonObject = { ...others };
    if (!Number.isSafeInteger(time)) rest['time'] = time;
    if (cause === undefined) Object.assign(rest, { $causationId, $correlationId, commandId });
    if (source === undefined && by !== undefined) rest['by'] = by;
    return {
      time: Number.isSafeInteger(time) ? time : null,
      cause: cause ?? null,
      source: source ?? null,
      metadata: JSON.stringify(rest),
      canonical: undefined,
    };
  }

  /** Undefined where there is no JSON, or what columns hold is not what they take. */
  decode(row: SqlRow): DecodedMetadata | undefined {
    const { time, source } = row;
    const cause = causeIn(row['cause']);
    const by = typeof source === 'number' ? this.sources.textOf(source) : undefined;
    if (cause === 'damaged' || (by === undefined && typeof source === 'number')) return undefined;
    if (row['metadata'] === '' && typeof time === 'number' && cause !== undefined) {
      const good: EventMetadata = { time, ...cause, ...(by !== undefined && { by }) };
      return { good, canonical: canonicalOf(good), problem: undefined };
    }
    const found: unknown = row['metadata'] === '' ? {} : parsed(row['metadata']);
    if (!isJsonObject(found)) return undefined;
    const all = {
      ...found,
      ...(typeof time === 'number' && { time }),
      ...cause,
      ...(by !== undefined && { by }),
    };
    const problem = metadataProblem(all);
    return { good: isMetadata(all) ? all : undefined, canonical: canonicalJson(all), problem };
  }

  committed(): void {
    this.sources.committed();
  }

  rolledBack(): void {
    this.sources.rolledBack();
  }

  private sourceOf(by: string): number | undefined {
    const known = this.sources.numberOf(by);
    if (known !== undefined) return known;
    if (typeof by !== 'string' || this.sources.size >= MOST_SOURCES || !PLAIN_TEXT.test(by)) return undefined;
    return this.sources.add(by);
  }
}

/** Undefined where it fits no such blob. */
function causeOf(causation: string, correlation: string, command: string | undefined): string | undefined {
  if (!isUuid(causation) || (command !== undefined && command !== causation)) return undefined;
  if (correlation !== causation && !isUuid(correlation)) return undefined;
  const hex = correlation === causation ? causation : causation + correlation;
  return command === undefined ? hex : hex + NAMED;
}

/** In hex: the command was named so. */
const NAMED = '01';

interface Cause {
  readonly $causationId: string;
  readonly $correlationId: string;
  readonly commandId?: string;
}

/** @param hex of the blob; empty for none */
function causeIn(hex: SqlRow[string] | undefined): Cause | 'damaged' | undefined {
  if (hex === '') return undefined;
  if (typeof hex !== 'string') return 'damaged';
  const [ids, rest] = [
    Math.floor(hex.length / UUID_DIGITS),
    hex.slice(hex.length - (hex.length % UUID_DIGITS)),
  ];
  if ((ids !== 1 && ids !== 2) || (rest !== '' && rest !== NAMED)) return 'damaged';
  const $causationId = uuidOf(hex.slice(0, UUID_DIGITS));
  const $correlationId = ids === 1 ? $causationId : uuidOf(hex.slice(UUID_DIGITS, 2 * UUID_DIGITS));
  return rest === ''
    ? { $causationId, $correlationId }
    : { $causationId, $correlationId, commandId: $causationId };
}

function hasNothing(fields: object): boolean {
  for (const name in fields) if (Object.hasOwn(fields, name)) return false;
  return true;
}

/** Canonical JSON of metadata that has none but its own fields, and UUIDs as ids; this comes on every hot path. */
function canonicalOf({ $causationId, $correlationId, by, commandId, time }: EventMetadata): string {
  let text = `{"$causationId":"${$causationId}","$correlationId":"${$correlationId}"`;
  if (by !== undefined) text += `,"by":${JSON.stringify(by)}`;
  if (commandId !== undefined) text += `,"commandId":"${commandId}"`;
  return `${text},"time":${time}}`;
}
