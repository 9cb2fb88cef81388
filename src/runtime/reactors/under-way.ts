/**
 * What a reactor has taken on and not yet done: the window over its events, and the lanes in which they are reacted to.
 *
 * Guarantees: what is held in memory of it has a limit of events and of their size, and no stream that is slow or fails keeps
 * another from being taken on, however many events it has; as many streams as the limit has events are taken on at the same time. An event that is given again is not taken on again, as long as the store holds the newest one that was taken on, and
 * with it all before; if it does not, what is under way is given up and taken on anew from the checkpoint.
 */

import { setMaxListeners } from 'node:events';
import type { EventStore, Position, SubscriptionBatch } from '../event-store/event-store.js';
import { type WaterMark, Window } from '../readers/window.js';
import type { LaneOptions } from './lane.js';
import { Lanes, type LanesOptions, type WaitingStream } from './lanes.js';
import { Room } from './room.js';

export interface UnderWayOptions extends Omit<LanesOptions, 'room' | 'share'> {
  readonly store: LaneOptions['store'] & Pick<EventStore, 'holds'>;
  /** Aborts when the reactor is to stop. */
  readonly stopping: AbortSignal;
  /** Events of what is under way that are held in memory, and streams that have some under way. */
  readonly window: number;
  /** Characters of JSON that they have, about. */
  readonly windowSize: number;
}

export class UnderWay {
  private readonly options: UnderWayOptions;
  private readonly room: Room;
  private readonly lanes: Lanes;
  /** Undefined until the reactor has begun. */
  private window: Window | undefined;
  private givingUp = new AbortController();
  private end: AbortSignal;

  constructor(options: UnderWayOptions) {
    this.options = options;
    this.end = options.stopping;
    const { window: events, windowSize: size, streams } = options;
    this.room = new Room({ events, size });
    // As many streams as are tried at once never fill it, with what they hold and a part that is left.
    const share = { events: Math.max(Math.floor(events / streams) - 1, 1), size: size / streams };
    this.lanes = new Lanes({ ...options, room: this.room, share });
  }

  /** Aborts when what is under way is to end undone. */
  get signal(): AbortSignal {
    return this.end;
  }

  /** Everything up to here is done; undefined until the reactor has begun. */
  get low(): WaterMark | undefined {
    return this.window?.low;
  }

  /** Up to where all is done, while not all is. */
  get doneUpTo(): Position | undefined {
    return this.window?.isEmpty === false ? this.window.low.position : undefined;
  }

  get retrying(): number {
    return this.lanes.retrying;
  }

  waiting(limit: number): readonly WaitingStream[] {
    return this.lanes.waiting(limit);
  }

  /** Goes on with what is under way, or begins behind the checkpoint. True when it begins. @throws StoreUnavailableError */
  async open(checkpoint: Position): Promise<boolean> {
    const { store, stopping } = this.options;
    const last = this.givingUp.signal.aborted ? undefined : this.window?.taken.last;
    if (last !== undefined && (await store.holds(last))) {
      this.window?.forgetPassed();
      return false;
    }
    await this.giveUp();
    this.givingUp = new AbortController();
    this.end = AbortSignal.any([stopping, this.givingUp.signal]);
    // Each lane that waits listens to it.
    setMaxListeners(0, this.end);
    this.window = new Window(checkpoint);
    return true;
  }

  /** Takes a batch on; waits as long as there is no room for another stream, or the signal aborts. */
  async take(batch: SubscriptionBatch, signal: AbortSignal): Promise<void> {
    const { window, lanes, room } = this;
    if (window === undefined) return;
    for (const event of batch.events) {
      if (event.position <= window.taken.position) continue;
      if (room.isFull && !lanes.has(event.stream)) {
        lanes.makeRoom();
        await room.untilFree(signal);
      }
      if (signal.aborted) return;
      window.take(event);
      lanes.put(event, window, this.end);
    }
    window.pass(batch.checkpoint);
  }

  /** Lets what is under way end undone. */
  abort(): void {
    this.givingUp.abort();
  }

  async giveUp(): Promise<void> {
    this.abort();
    await this.idle();
  }

  idle(): Promise<void> {
    return this.lanes.idled();
  }
}
