/** A runtime with semaphores and counters, a feed of both, and the count of what the feed reads from the store. */

import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import { type Clock, systemClock } from '../../../src/base/clock.js';
import { EventFeed, type FeedBatch, type FollowOptions } from '../../../src/node/serving/event-feed.js';
import type { FeedEvent } from '../../../src/node/serving/feed-tail.js';
import type { ActorType } from '../../../src/runtime/actors/actor-type.js';
import { delegating } from '../../../src/runtime/event-store/delegating-store.js';
import type { EventStore, RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { openRuntime, type Runtime } from '../../../src/runtime/runtime.js';
import { counter } from '../../runtime/support/counter.js';
import { propose } from '../../support/events.js';
import { permits, semaphore } from '../../support/semaphore.js';

export interface Reads {
  subscriptions: number;
  /** Given by subscriptions. */
  events: number;
  /** Asked for by their places. */
  looks: number;
}

export interface FollowedNode {
  readonly runtime: Runtime;
  readonly feed: EventFeed;
  readonly reads: Reads;
  /** Appends so many events to a stream, named by their number. Answers them. */
  add(stream: string, count: number): Promise<readonly RecordedEvent[]>;
  stop(): Promise<void>;
}

export interface NodeOptions {
  readonly bound?: number;
  readonly types?: readonly ActorType[];
  /** Between the feed and the store. */
  readonly disturb?: (store: EventStore) => EventStore;
}

let added = 0;

/** Nobody wants to see that a feed waits between two looks; the process has to stay for it. */
const hastyClock: Clock = {
  ...systemClock,
  after: (_delayMs, run) => {
    const timer = setTimeout(run, 1);
    return () => clearTimeout(timer);
  },
};

export async function followedNode(
  t: Test,
  dir: string,
  store: EventStore,
  { bound, types = [semaphore, counter], disturb = (same) => same }: NodeOptions = {},
): Promise<FollowedNode> {
  const runtime = openRuntime({
    store,
    databasePath: join(dir, 'read-models.db'),
    actorTypes: types,
    projections: [permits],
    clock: systemClock,
    logger: pino({ level: 'silent' }),
  });
  await runtime.start();
  const reads: Reads = { subscriptions: 0, events: 0, looks: 0 };
  const feed = new EventFeed({
    runtime: {
      store: disturb(counted(runtime.store, reads)),
      unreadableIn: (events) => runtime.unreadableIn(events),
    },
    clock: hastyClock,
    categories: types.map(({ category }) => category),
    ...(bound === undefined ? {} : { bound }),
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      feed.close();
      await runtime.close();
      await store.close();
    })();
    return stopped;
  };
  t.teardown(stop);
  const add = async (stream: string, count: number) => {
    const isCount = stream.startsWith('counter-');
    const events = Array.from({ length: count }, () => {
      const name = `event-${added++}`;
      return propose(isCount ? { what: name } : { holder: name }, {
        type: isCount ? 'Counted' : 'PermitAwaited',
      });
    });
    return (await runtime.store.append(stream, 'any', events)).events;
  };
  return { runtime, feed, reads, add, stop };
}

/** One follower, which takes when it is told to. */
export class Following {
  readonly batches: AsyncGenerator<FeedBatch>;
  readonly taken: FeedEvent[] = [];
  readonly leaving = new AbortController();
  cursor = '';

  constructor(feed: EventFeed, options: FollowOptions = {}) {
    this.batches = feed.follow(options, this.leaving.signal);
  }

  async next(): Promise<FeedBatch | undefined> {
    const { value, done } = await this.batches.next();
    if (done === true) return undefined;
    this.taken.push(...value.events);
    this.cursor = value.cursor;
    return value;
  }

  /** Takes until so many events were taken. */
  async until(count: number): Promise<readonly FeedEvent[]> {
    while (this.taken.length < count) if ((await this.next()) === undefined) break;
    return this.taken;
  }

  /** Takes until it is at the end of what is stored. */
  async live(): Promise<this> {
    for (;;) if ((await this.next())?.caughtUp !== false) return this;
  }

  async leave(): Promise<void> {
    this.leaving.abort();
    await this.batches.return(undefined);
  }

  get ids(): string[] {
    return this.taken.map(({ event }) => event.id);
  }
}

function counted(store: EventStore, reads: Reads): EventStore {
  return delegating(store, {
    holds: (event) => {
      reads.looks += 1;
      return store.holds(event);
    },
    subscribe: async function* (options) {
      reads.subscriptions += 1;
      for await (const batch of store.subscribe(options)) {
        reads.events += batch.events.length;
        yield batch;
      }
    },
  });
}
