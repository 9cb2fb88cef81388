/** What semaphores are on a node: actor type, read model, reactor and handlers. */

import { OwlError } from '../../../../src/base/errors.js';
import { unary } from '../../../../src/node/serving/calls.js';
import type { NodeContext, OpenedService, ServiceSide } from '../../../../src/node/system.js';
import { acquire, create, grantsPermits, permits, release, semaphore } from '../../../support/semaphore.js';
import type { SemaphoreConfig } from '../config.js';
import {
  type CreateRequest,
  type HolderRequest,
  loadSemaphoreProto,
  type Permit,
  type Permits,
  SEMAPHORES,
} from '../wire/semaphore-client.js';

export const semaphoreService: ServiceSide<SemaphoreConfig> = {
  actorTypes: [semaphore],
  projections: [permits],
  proto: loadSemaphoreProto(),
  open,
};

function open(node: NodeContext, { semaphore: { lease_seconds } }: SemaphoreConfig): OpenedService {
  const leaseMs = lease_seconds * 1000;
  return {
    reactors: [grantsPermits(leaseMs)],
    handlers: { [SEMAPHORES]: semaphoreHandlers(node, leaseMs) },
  };
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

function named(name: string): string {
  if (/^[a-z0-9-]{1,64}$/.test(name)) return name;
  throw new OwlError('invalid', `a name must be 1 to 64 small letters, digits or dashes, not "${name}"`);
}
