/**
 * How an actor comes to life: the kept snapshot where a good one is there, then every event after it. One that most likely has no
 * events begins without a look (actor.ts says what comes of it where it has).
 *
 * Guarantees: a kept snapshot is gone on from only if the stream holds the event it was taken at (a store that came from a
 * backup may not) and if the events after it fit; whatever else is wrong with it, the whole stream is replayed instead, so a
 * bad snapshot costs time and nothing else.
 */

import type { Clock } from '../../base/clock.js';
import { DamagedStreamError, messageOf } from '../../base/errors.js';
import {
  type EventStore,
  ORDER_ACCEPTED,
  type RecordedEvent,
  type StreamName,
} from '../event-store/event-store.js';
import type { ActorSnapshots } from './actor-snapshots.js';
import type { ActorType } from './actor-type.js';
import type { CommandMemory } from './command-memory.js';
import { LiveMachine } from './live-machine.js';
import { Tail } from './tail.js';

/** An actor's machine, and how much of its stream it has taken. */
export interface Live {
  readonly machine: LiveMachine;
  /** Revision of the last event the store has confirmed; -1 before the first. */
  revision: number;
  /** Its id; empty before the first. */
  eventId: string;
  /** What it has taken since its snapshot. */
  readonly tail: Tail;
}

export interface Recovery {
  readonly type: ActorType;
  readonly stream: StreamName;
  readonly store: EventStore;
  readonly clock: Clock;
  readonly snapshots: ActorSnapshots | undefined;
  /** Filled with the commands that the stream has seen. */
  readonly carriedOut: CommandMemory;
}

/** @throws StoreUnavailableError when the store is away, DamagedStreamError when it holds what the machine can't take */
export async function recover(recovery: Recovery): Promise<Live> {
  const restored = restoreSnapshot(recovery);
  if (restored !== undefined && (await replayOntoSnapshot(recovery, restored))) return restored;
  const live = startEmpty(recovery);
  for await (const event of recovery.store.readStream(recovery.stream, { from: 0 })) {
    replay(recovery, live, event);
  }
  return live;
}

/** False when the snapshot is of no use: of another history than the stream, or one that does not take its events. */
async function replayOntoSnapshot(recovery: Recovery, live: Live): Promise<boolean> {
  let isSameHistory = false;
  for await (const event of recovery.store.readStream(recovery.stream, { from: live.revision })) {
    if (!isSameHistory) {
      if (event.id !== live.eventId) return false;
      isSameHistory = true;
      continue;
    }
    try {
      replay(recovery, live, event);
    } catch {
      // The stream has it all, and says what is wrong if it is not the snapshot.
      return false;
    }
  }
  return isSameHistory;
}

function restoreSnapshot({ type, stream, snapshots, carriedOut, clock }: Recovery): Live | undefined {
  const kept = snapshots?.read(stream, type.version);
  if (kept === undefined) return undefined;
  try {
    const machine = new LiveMachine(type.machine, kept.state);
    carriedOut.reset(kept.commands, clock.now());
    return { machine, revision: kept.revision, eventId: kept.eventId, tail: new Tail(kept.length) };
  } catch {
    // Snapshots are disposable: whatever is wrong with one, the stream has it all.
    return undefined;
  }
}

/** As one that has no events. */
export function startEmpty({
  type,
  carriedOut,
  clock,
}: Pick<Recovery, 'type' | 'carriedOut' | 'clock'>): Live {
  carriedOut.reset([], clock.now());
  return { machine: new LiveMachine(type.machine), revision: -1, eventId: '', tail: new Tail() };
}

function replay({ stream, carriedOut, clock }: Recovery, live: Live, event: RecordedEvent): void {
  try {
    if (event.type !== ORDER_ACCEPTED) live.machine.take([event]);
  } catch (error) {
    throw new DamagedStreamError(
      stream,
      event.revision,
      `${stream} can't be rebuilt from its history: revision ${event.revision}: ${messageOf(error)}; add the missing transition or upcast`,
      { cause: error },
    );
  }
  live.revision = event.revision;
  live.eventId = event.id;
  live.tail.add(event);
  carriedOut.remember(event, clock.now());
}
