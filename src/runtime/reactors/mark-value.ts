/**
 * What a reactor's mark says, as it is stored: of which categories all is done from where on up to which event, and the events that
 * are parked there.
 *
 * Guarantee: what is no such mark, in any part, is none at all. One of a version before, that did not say so much, says nothing of what
 * is done.
 */

import {
  categoryOf,
  type EventPlace,
  isJsonObject,
  type Json,
  type JsonObject,
  type Position,
  type RecordedEvent,
} from '../event-store/event-store.js';
import type { ParkReason } from '../readers/parked-events.js';

export interface MarkValue {
  /** Nothing is said of what is stored up to here. */
  readonly began: Position;
  readonly last: EventPlace;
  /** Sorted. */
  readonly categories: readonly string[];
  readonly parked: readonly MarkedParking[];
}

/** A parked event, as far as a mark tells of it. */
export interface MarkedParking extends ParkReason {
  readonly position: string;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
}

/** Of why it was parked. */
const LONGEST_ERROR = 300;

export function encodeMark({ began, last, categories, parked }: MarkValue): JsonObject {
  const { position, stream, revision, id } = last;
  return {
    ...{ position, stream, revision, id, began, categories },
    parked: parked.map(({ position, stream, revision, type, error, attempts, parkedAt }) => ({
      ...{ position, stream, revision, type, attempts, parkedAt },
      error: error.slice(0, LONGEST_ERROR),
    })),
  };
}

export function decodeMark(value: JsonObject | undefined): MarkValue | undefined {
  if (value === undefined) return undefined;
  const { position, stream, revision, id, began, categories, parked } = value;
  if (!isText(position) || !isText(stream) || !isCount(revision) || !isText(id)) return undefined;
  if (!Array.isArray(parked)) return undefined;
  const read = parked.map(parkingIn).filter((one) => one !== undefined);
  if (read.length < parked.length) return undefined;
  const last = { position, stream, revision, id };
  // Versions before said neither.
  if (began === undefined && categories === undefined)
    return { began: position, last, categories: [], parked: read };
  if (!isText(began) || !Array.isArray(categories) || !categories.every(isText)) return undefined;
  return { began, last, categories, parked: read };
}

/** What a mark of other categories says of these: no more than where its writer was. */
export function placeOnly({ last, parked }: MarkValue, categories: readonly string[]): MarkValue {
  const own = parked.filter(({ stream }) => categories.includes(categoryOf(stream)));
  return { began: last.position, last, categories, parked: own };
}

/** What two marks of one history and the same categories say together; where a part between them is unknown, the later one. */
export function joined(one: MarkValue, other: MarkValue): MarkValue {
  const [earlier, later] = one.last.position < other.last.position ? [one, other] : [other, one];
  if (earlier.began >= later.began || earlier.last.position < later.began) return later;
  const before = earlier.parked.filter(({ position }) => position <= later.began);
  return { ...later, began: earlier.began, parked: [...before, ...later.parked] };
}

/** The event as it can be parked: what it says is read again when it is driven again. */
export function eventOf({ position, stream, revision, type, parkedAt }: MarkedParking): RecordedEvent {
  const metadata = { time: parkedAt, $correlationId: '', $causationId: '' };
  return { id: '', position, stream, revision, type, version: 1, data: {}, metadata };
}

function parkingIn(value: Json): MarkedParking | undefined {
  if (!isJsonObject(value)) return undefined;
  const { position, stream, revision, type, error, attempts, parkedAt } = value;
  if (!isText(position) || !isText(stream) || !isText(type) || !isText(error)) return undefined;
  if (!isCount(revision) || !isCount(attempts) || !isCount(parkedAt)) return undefined;
  return { position, stream, revision, type, error, attempts, parkedAt };
}

function isText(value: Json | undefined): value is string {
  return typeof value === 'string';
}

function isCount(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
