/** What semaphores are on a node: actor types, read models, reactor, loop and handlers. */

import { OwlError } from '../../../../src/base/errors.js';
import { type Peer, serverStream, unary } from '../../../../src/node/serving/calls.js';
import { EventFeed } from '../../../../src/node/serving/event-feed.js';
import type { FeedEvent } from '../../../../src/node/serving/feed-tail.js';
import type { NodeContext, OpenedService, ServiceSide } from '../../../../src/node/system.js';
import { idOf, streamName } from '../../../../src/runtime/event-store/event-store.js';
import type { Loop } from '../../../../src/runtime/loops/loop.js';
import { type Notice, notice, notices, tellsHolders } from '../../../support/notices.js';
import { acquire, create, grantsPermits, release, semaphore } from '../../../support/semaphore.js';
import { permitTables } from '../../../support/semaphore-tables.js';
import type { SemaphoreConfig } from '../config.js';
import {
  type CreateRequest,
  type FollowRequest,
  type HolderRequest,
  loadSemaphoreProto,
  type Permit,
  type PermitEvent,
  type Permits,
  SEMAPHORES,
} from '../wire/semaphore-client.js';

export const semaphoreService: ServiceSide<SemaphoreConfig> = {
  actorTypes: [semaphore, notice],
  projections: [permitTables, notices],
  proto: loadSemaphoreProto(),
  open,
};

function open(node: NodeContext, { semaphore: config }: SemaphoreConfig): OpenedService {
  const leaseMs = config.lease_seconds * 1000;
  const feed = new EventFeed({ ...node, categories: [semaphore.category] });
  return {
    reactors: [grantsPermits(leaseMs)],
    loops: loopsOf(node, config),
    handlers: { [SEMAPHORES]: { ...semaphoreHandlers(node, leaseMs), ...followHandler(node, feed) } },
    endStreams: () => feed.close(),
  };
}

function loopsOf({ runtime, workerId }: NodeContext, config: SemaphoreConfig['semaphore']): Loop[] {
  const { notify_url: url, notify_lease_seconds: leaseSeconds } = config;
  if (url === undefined) return [];
  const tell = async (told: Notice, signal: AbortSignal): Promise<void> => {
    const body = JSON.stringify({ ...told, node: workerId });
    const { ok, status } = await fetch(url, { method: 'POST', body, signal });
    if (!ok) throw new OwlError('unavailable', `${url} answered ${status}`);
  };
  return [tellsHolders({ runtime, tell, leaseSeconds })];
}

function semaphoreHandlers({ runtime, clock, logger }: NodeContext, leaseMs: number) {
  const { system, db } = runtime;
  const permitsOf = async (name: string): Promise<Permit[]> => {
    await runtime.readYourWrites();
    return db
      .prepare('SELECT holder, state FROM permits WHERE stream = ? ORDER BY holder')
      .all(`${semaphore.category}-${name}`)
      .map((row) => ({ holder: String(row['holder']), state: String(row['state']) }));
  };

  async function createOne({ name = '', capacity = 0 }: CreateRequest): Promise<object> {
    if (capacity < 1) throw new OwlError('invalid', 'capacity must be at least 1');
    await system.execute(semaphore, named(name), create(capacity));
    return {};
  }

  async function acquireOne({ name = '', holder = '' }: HolderRequest): Promise<Permit> {
    const id = `acquire ${holder} ${clock.now()}`;
    await system.execute(semaphore, named(name), acquire(named(holder), clock.now() + leaseMs, id));
    const permit = (await permitsOf(name)).find((one) => one.holder === holder);
    return permit ?? { holder };
  }

  async function releaseOne({ name = '', holder = '' }: HolderRequest): Promise<object> {
    await system.execute(semaphore, named(name), release(named(holder), `release ${holder} ${clock.now()}`));
    return {};
  }

  async function list({ name = '' }: { name?: string }): Promise<Permits> {
    return { permits: await permitsOf(named(name)) };
  }

  return {
    create: unary(logger, createOne),
    acquire: unary(logger, acquireOne),
    release: unary(logger, releaseOne),
    permits: unary(logger, list),
  };
}

function followHandler({ logger }: NodeContext, feed: EventFeed) {
  async function* follow({ name = '', after = '' }: FollowRequest, _peer: Peer, signal: AbortSignal) {
    const streams = name === '' ? {} : { streams: [streamName(semaphore.category, named(name))] };
    for await (const { events, cursor, caughtUp } of feed.follow({ after, ...streams }, signal))
      yield { events: events.map(messageOf), cursor, caught_up: caughtUp };
  }

  return { follow: serverStream(logger, follow) };
}

function messageOf({ event, problem }: FeedEvent): PermitEvent {
  const { holder } = problem === undefined ? event.data : {};
  return {
    semaphore: idOf(event.stream),
    type: event.type,
    holder: typeof holder === 'string' ? holder : '',
    problem: problem?.reason ?? '',
  };
}

function named(name: string): string {
  if (/^[a-z0-9-]{1,64}$/.test(name)) return name;
  throw new OwlError('invalid', `a name must be 1 to 64 small letters, digits or dashes, not "${name}"`);
}
