/** What a node's health follows: its store, the queries of its systems, and what each of these says of itself. */

import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import type { Releasers } from '../base/releasers.js';
import { every } from '../base/repeat.js';
import type { LifeCycle } from '../runtime/life-cycle/life-cycle.js';
import type { Runtime } from '../runtime/runtime.js';
import { type Health, LOOK_EVERY_MS, STORE, watchQueries } from './health.js';
import type { StorePresence } from './open-store.js';
import type { OpenedService, ServedSystem, ServiceSide } from './system.js';

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

/** From when it is caught up: before that it may not have begun. What it throws is its reason. */
export function followSystem(
  { name, opened }: { readonly name: string; readonly opened: Pick<OpenedService, 'problem'> },
  { health, clock, releasers }: Pick<HealthGround, 'health' | 'clock' | 'releasers'>,
): void {
  if (opened.problem === undefined) return;
  const watching = new AbortController();
  releasers.add(`health of ${name}`, () => watching.abort());
  void every({ clock, pauseMs: LOOK_EVERY_MS, signal: watching.signal }, () => {
    health.note(`work of ${name}`, problemOf(opened));
  });
}

function problemOf(opened: Pick<OpenedService, 'problem'>): string | undefined {
  try {
    return opened.problem?.();
  } catch (error) {
    return messageOf(error);
  }
}
