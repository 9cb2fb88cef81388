/**
 * Parked events, tried again once what kept them from being taken is mended.
 *
 * Guarantees: of each stream in order, ending at the first that fails again; what is left is as it was, with the newest reason.
 */

import { messageOf, OwlError, StoreUnavailableError } from '../../base/errors.js';
import { isTransient } from '../../base/failure-kinds.js';
import { CUT_OFF, type EventStore, type RecordedEvent, type StreamName } from '../event-store/event-store.js';
import type { ParkedEvent, ParkedEvents } from './parked-events.js';

export interface RedriveResult {
  /** How many succeeded and are no longer parked. */
  readonly redriven: number;
  /** How many are still parked. */
  readonly remaining: number;
}

export interface RedriveOptions {
  readonly parked: ParkedEvents;
  readonly reader: string;
  readonly store: EventStore;
  /** Only this stream; default: all. */
  readonly stream?: StreamName | undefined;
  /** What was cut off shows in what the reader has made: once it is whole again, only filling that anew mends it. */
  readonly rebuildable?: boolean;
  /** Takes the event and removes it from what is parked; throws when it still can't be taken. */
  take(event: RecordedEvent): void | Promise<void>;
}

/**
 * Tries parked events again, stream by stream and in order; a stream ends at its first event that fails again. Events
 * are read from the store anew, so that one whose schema was missing is seen through the schemas of today.
 * @throws OwlError of a transient kind, when nothing was learnt about an event: what is left is as it was
 */
export async function redriveParked(options: RedriveOptions): Promise<RedriveResult> {
  const { parked, reader, store, stream } = options;
  let redriven = 0;
  for (const each of stream === undefined ? parked.streams(reader) : [stream]) {
    for (let first = parked.first(reader, each); first !== undefined; first = parked.first(reader, each)) {
      try {
        const event = await readAgain(store, first);
        if (first.type !== CUT_OFF) await options.take(event);
        else if (options.rebuildable === true) throw isWholeAgain(first);
        else parked.remove(reader, first.position);
      } catch (error) {
        if (isTransient(error)) throw error;
        parked.failAgain(reader, first.position, error);
        break;
      }
      redriven += 1;
    }
  }
  return { redriven, remaining: parked.count(reader) };
}

/** @throws OwlError `invalid` when this very event can't be read, which says nothing against the store or other events */
async function readAgain(store: EventStore, { stream, revision }: ParkedEvent): Promise<RecordedEvent> {
  try {
    for await (const event of store.readStream(stream, { from: revision, limit: 1 })) return event;
  } catch (error) {
    if (error instanceof StoreUnavailableError) throw error;
    throw new OwlError('invalid', messageOf(error), { cause: error });
  }
  throw new OwlError(
    'invalid',
    `the event store has no revision ${revision} of ${stream}; is it the right store?`,
  );
}

function isWholeAgain({ stream, reader }: ParkedEvent): OwlError {
  return new OwlError(
    'invalid',
    `stream ${stream} was cut off and is whole again; \`owl node rebuild ${reader}\` makes of it what its events say`,
  );
}
