/** What semaphores are on a node: actor types, read models, reactor, loop and handlers. */

import { OwlError } from '../../../../src/base/errors.js';
import { workerInField } from '../../../../src/node/access/roles.js';
import { type MetricGroup, metricGroup, one } from '../../../../src/node/metrics/metric.js';
import { answered, followed, type ServedOperation } from '../../../../src/node/operations/operation.js';
import { unary } from '../../../../src/node/serving/calls.js';
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
  type HolderRequest,
  loadSemaphoreProto,
  type Permit,
  type PermitEvent,
  SEMAPHORES,
} from '../wire/semaphore-client.js';
import { createSemaphore, followPermits, listPermits, releasePermit } from './semaphore-operations.js';

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
    operations: [...semaphoreOperations(node), followOperation(feed)],
    handlers: { [SEMAPHORES]: { acquire: acquireHandler(node, leaseMs) } },
    access: { [SEMAPHORES]: { acquire: { roles: ['worker'], workerIn: workerInField('holder') } } },
    metrics: () => [permitMetrics(node)],
    endStreams: () => feed.close(),
  };
}

function permitMetrics({ runtime }: NodeContext): MetricGroup {
  return metricGroup({
    name: 'semaphore',
    gather: () => runtime.db.prepare('SELECT sum(held) AS held FROM semaphores').get(),
    metrics: [
      {
        name: 'semaphore_permits_held',
        help: 'Permits that are held now, of all semaphores',
        type: 'gauge',
        samples: (row) => one(Number(row?.['held'] ?? 0)),
      },
    ],
  });
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

async function permitsOf({ runtime }: NodeContext, name: string): Promise<Permit[]> {
  await runtime.readYourWrites();
  return runtime.db
    .prepare('SELECT holder, state FROM permits WHERE stream = ? ORDER BY holder')
    .all(`${semaphore.category}-${name}`)
    .map((row) => ({ holder: String(row['holder']), state: String(row['state']) }));
}

function acquireHandler({ runtime, clock, logger }: NodeContext, leaseMs: number) {
  return unary(logger, async ({ name = '', holder = '' }: HolderRequest): Promise<Permit> => {
    const id = `acquire ${holder} ${clock.now()}`;
    const asked = acquire(named(holder), clock.now() + leaseMs, id);
    const { answer } = await runtime.system.execute(semaphore, named(name), asked);
    return answer ?? { holder };
  });
}

function semaphoreOperations(node: NodeContext): ServedOperation[] {
  const { clock } = node;
  const { system } = node.runtime;
  return [
    answered(createSemaphore, async ({ name, capacity, command_id: id }, asking) => {
      const order = id === undefined ? {} : { id, asks: { name: 'create', content: { capacity } } };
      const { revision, duplicate } = await system.execute(semaphore, name, {
        ...create(capacity),
        ...order,
      });
      asking.repeated(duplicate);
      return { name, revision };
    }),
    answered(releasePermit, async ({ name, holder }) => {
      await system.execute(semaphore, name, release(holder, `release ${holder} ${clock.now()}`));
      return {};
    }),
    answered(listPermits, async ({ name }) => ({ permits: await permitsOf(node, name) })),
  ];
}

function followOperation(feed: EventFeed): ServedOperation {
  return followed(followPermits, async function* ({ name, after = '' }, { over }) {
    const streams = name === undefined ? {} : { streams: [streamName(semaphore.category, name)] };
    for await (const { events, cursor, caughtUp } of feed.follow({ after, ...streams }, over))
      yield { events: events.map(messageOf), cursor, caught_up: caughtUp };
  });
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
