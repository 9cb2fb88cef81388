/**
 * What a reactor's mark says, as it is stored: the place of the last event below which all is done, and the events that are parked
 * there.
 *
 * Guarantee: what is no such mark, in any part, is none at all.
 */

import {
  type EventPlace,
  isJsonObject,
  type Json,
  type JsonObject,
  type RecordedEvent,
} from '../event-store/event-store.js';
import type { ParkReason } from '../readers/parked-events.js';

export interface MarkValue {
  readonly last: EventPlace;
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

export function encodeMark({ last, parked }: MarkValue): JsonObject {
  const { position, stream, revision, id } = last;
  return {
    ...{ position, stream, revision, id },
    parked: parked.map(({ position, stream, revision, type, error, attempts, parkedAt }) => ({
      ...{ position, stream, revision, type, attempts, parkedAt },
      error: error.slice(0, LONGEST_ERROR),
    })),
  };
}

export function decodeMark(value: JsonObject | undefined): MarkValue | undefined {
  if (value === undefined) return undefined;
  const { position, stream, revision, id, parked } = value;
  if (!isText(position) || !isText(stream) || !isCount(revision) || !isText(id)) return undefined;
  if (!Array.isArray(parked)) return undefined;
  const read = parked.map(parkingIn).filter((one) => one !== undefined);
  return read.length < parked.length ? undefined : { last: { position, stream, revision, id }, parked: read };
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
