/** What a node's health follows: its store, and the queries of its systems. */

import type { Clock } from '../base/clock.js';
import type { Releasers } from '../base/releasers.js';
import type { LifeCycle } from '../runtime/life-cycle/life-cycle.js';
import type { Runtime } from '../runtime/runtime.js';
import { type Health, STORE, watchQueries } from './health.js';
import type { StorePresence } from './open-store.js';
import type { ServedSystem, ServiceSide } from './system.js';

interface HealthGround {
  readonly presence: StorePresence;
  readonly health: Health;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly releasers: Releasers;
  readonly lifeCycle: LifeCycle;
}

interface FollowedSystem {
  readonly system: ServedSystem;
  readonly side: ServiceSide;
}

/** Every write is refused while the store is away, a system's queries while its read models can't be caught up. */
export function followHealth(systems: readonly FollowedSystem[], ground: HealthGround): void {
  const { presence, health, runtime, clock, releasers, lifeCycle } = ground;
  presence.follow((isPresent) => {
    health.note(STORE, presence.problem);
    const reason = presence.problem ?? '';
    lifeCycle.tell(isPresent ? { type: 'store back' } : { type: 'store away', reason });
  });
  const watching = new AbortController();
  releasers.add('health', () => watching.abort());
  for (const { system, side } of systems) {
    const { queried = [] } = side;
    if (queried.length === 0) continue;
    const ask = () => runtime.readYourWrites(queried);
    const tell = (reason: string | undefined) => health.note(`queries of ${system.name}`, reason);
    void watchQueries({ ask, tell, clock, signal: watching.signal });
  }
}
