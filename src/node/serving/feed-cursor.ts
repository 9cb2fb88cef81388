/**
 * Where a follower of an event feed stands: the position of the last event that it was shown the way past, and which event
 * that was.
 *
 * Guarantees: a cursor of another store, of a newer copy of this one, or of the future is refused, with what to do; nothing is
 * ever left out for it. A position alone proves nothing, since another store has events at the same ones: so a cursor names
 * its event, and the store is asked whether it holds that one there. A bare position, as read models and answers have it, is
 * a cursor as well, of which only this much can be told: that the store has got so far.
 */

import { wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { InvalidFieldError, OwlError } from '../../base/errors.js';
import {
  type EventPlace,
  type EventStore,
  type Position,
  START,
} from '../../runtime/event-store/event-store.js';
import { isUuid } from '../../runtime/event-store/ids.js';

/** Opaque for those who are given one; as texts they sort as positions do. Empty: before everything. */
export type Cursor = string;

export interface FeedPlace {
  readonly position: Position;
  /** Undefined where only the position is known. */
  readonly last: EventPlace | undefined;
}

/** An event that was given may be in no stream yet, on a node that has just become the leader: it is looked for again. */
const LOOKS = 4;
const BETWEEN_LOOKS_MS = 300;
const LONGEST = 4096;
const RULE = 'must be a cursor as this feed gave it, or empty for the beginning';

/** The cursor with which following goes on exactly behind this event. */
export function cursorBehind({ position, stream, revision, id }: EventPlace): Cursor {
  return `${position}.${Buffer.from(`${revision} ${id} ${stream}`).toString('base64url')}`;
}

/** @throws InvalidFieldError for what is no cursor of any store */
export function readCursor(cursor: Cursor, field: string): FeedPlace {
  const [, position = '', rest] = /^([0-9a-f]*)(?:\.([\w-]+))?$/.exec(cursor.slice(0, LONGEST)) ?? [];
  if (rest === undefined && position === cursor) return { position, last: undefined };
  const text = Buffer.from(rest ?? '', 'base64url').toString('utf8');
  const [, revision = '', id = '', stream = ''] = /^(\d{1,15}) (\S+) (.+)$/su.exec(text) ?? [];
  const last: EventPlace = { position, stream, revision: Number(revision), id };
  // What reads the same was written so: no other text means this place.
  if (position === '' || !isUuid(id) || cursorBehind(last) !== cursor)
    throw new InvalidFieldError(field, RULE);
  return { position, last };
}

export interface CursorCheckOptions {
  readonly store: Pick<EventStore, 'head' | 'holds' | 'shareOf'>;
  readonly clock: Clock;
}

/**
 * Costs the reading of one event at the most.
 * @throws OwlError kind `refused` when this store is not the one of the place, or not any more
 * @throws StoreUnavailableError when that can't be found out now
 */
export async function assertHeld(
  { store, clock }: CursorCheckOptions,
  place: FeedPlace,
  signal: AbortSignal,
): Promise<void> {
  const { position, last } = place;
  if (position === START) return;
  const head = await store.head();
  if (store.shareOf(position, head) === undefined)
    throw refusal(`${position} is no position of the event store of this node`);
  if (last === undefined) {
    if (position > head) throw refusal(`${position} is ahead of all that the event store of this node holds`);
    return;
  }
  for (let look = 1; !(await store.holds(last)); look++) {
    if (look === LOOKS)
      throw refusal(
        `the event store of this node does not hold the event at ${position} that it was given behind`,
      );
    await wait(clock, BETWEEN_LOOKS_MS, signal);
    if (signal.aborted) return;
  }
}

function refusal(problem: string): OwlError {
  return new OwlError(
    'refused',
    `this cursor is none to go on from: ${problem}. It is of another store, or this one was restored from a backup; begin anew, from what is shown now or without a cursor`,
  );
}
