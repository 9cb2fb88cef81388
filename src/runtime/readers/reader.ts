/** What follows the event store on a node, as its operators see it: projections, reactors, and what the timers rest on. */

import type { StreamName } from '../event-store/event-store.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import type { RebuildStatus } from '../read-models/rebuild.js';
import type { FollowerStatus } from './follower.js';
import type { ParkedEvent } from './parked-events.js';
import type { RedriveResult } from './redrive.js';

export interface Reader {
  readonly name: string;
  readonly kind: 'projection' | 'reactor' | 'timers';
  status(): FollowerStatus & { readonly parked: number; readonly rebuild?: RebuildStatus | undefined };
  parked(limit?: number): readonly ParkedEvent[];
  redrive(stream?: StreamName): Promise<RedriveResult>;
}

/** As its operators see it; what is driven again is told to whoever listens. */
export function readerOf(kind: Reader['kind'], follower: Omit<Reader, 'kind'>, lifeCycle: LifeCycle): Reader {
  return {
    name: follower.name,
    kind,
    status: () => follower.status(),
    parked: (limit) => follower.parked(limit),
    async redrive(stream) {
      const done = await follower.redrive(stream);
      lifeCycle.tell({ type: 'events redriven', reader: follower.name, ...done });
      return done;
    },
  };
}
