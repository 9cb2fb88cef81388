/**
 * An event's metadata as its row holds it (row-format.ts). Guarantees that metadata of any kind comes back as it was, and that
 * what columns hold is never guessed: what is of another kind than they take stands in the column `metadata`, as JSON.
 */

import type { SqlRow } from '../../../base/sql.js';
import type { SqliteDatabase } from '../../../base/sqlite.js';
import { isJsonObject } from '../append-check.js';
import type { EventMetadata, JsonObject } from '../event-store.js';
import { isUuid } from '../ids.js';
import { Dictionary } from './dictionary.js';
import { bytesOf, parsed, UUID_BYTES, uuidIn } from './row-values.js';

/** Who told an event is one of so many texts; a text that is one more stands in its rows. */
const MOST_SOURCES = 4_096;
/** What a table of texts gives back as it was. */
const PLAIN_TEXT = /^[\x20-\x7e]{1,200}$/;

export interface MetadataColumns {
  readonly time: number | null;
  readonly cause: Uint8Array | null;
  readonly source: number | null;
  /** JSON of what is in no other column; empty for nothing. */
  readonly metadata: string;
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
    const rest: JsonObject = { ...others };
    if (!Number.isSafeInteger(time)) rest['time'] = time;
    if (cause === undefined) Object.assign(rest, { $causationId, $correlationId, commandId });
    if (source === undefined && by !== undefined) rest['by'] = by;
    // Most events have nothing else, and then there is no need to ask JSON.
    const isEmpty = Object.values(rest).every((value) => value === undefined);
    return {
      time: Number.isSafeInteger(time) ? time : null,
      cause: cause ?? null,
      source: source ?? null,
      metadata: isEmpty ? '' : JSON.stringify(rest),
    };
  }

  /** What there is to be read; the caller says whether it is good. */
  decode({ time, cause, source, metadata }: SqlRow): JsonObject | undefined {
    const found: unknown = metadata === '' ? {} : parsed(metadata);
    if (!isJsonObject(found)) return undefined;
    if (typeof time === 'number') found['time'] = time;
    if (cause instanceof Uint8Array && !readCause(cause, found)) return undefined;
    if (typeof source === 'number') {
      const by = this.sources.textOf(source);
      if (by === undefined) return undefined;
      found['by'] = by;
    }
    return found;
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
function causeOf(
  causation: string,
  correlation: string,
  command: string | undefined,
): Uint8Array | undefined {
  if (!isUuid(causation) || (command !== undefined && command !== causation)) return undefined;
  if (correlation !== causation && !isUuid(correlation)) return undefined;
  const hex = causation + (correlation === causation ? '' : correlation);
  const bytes = bytesOf(hex);
  return command === undefined ? bytes : Buffer.concat([bytes, NAMED]);
}

const NAMED = Buffer.of(1);

/** False where it holds something else. */
function readCause(cause: Uint8Array, into: JsonObject): boolean {
  const [ids, named] = [Math.floor(cause.length / UUID_BYTES), cause.length % UUID_BYTES];
  if ((ids !== 1 && ids !== 2) || named > 1 || (named === 1 && cause.at(-1) !== 1)) return false;
  const causation = uuidIn(cause);
  into['$causationId'] = causation;
  into['$correlationId'] = ids === 1 ? causation : uuidIn(cause, UUID_BYTES);
  if (named === 1) into['commandId'] = causation;
  return true;
}
