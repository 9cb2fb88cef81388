/** What follows the event store on a node, as its operators see it: projections, reactors, and what the timers rest on. */

import type { StreamName } from '../event-store/event-store.js';
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

export function readerOf(kind: Reader['kind'], follower: Omit<Reader, 'kind'>): Reader {
  return {
    name: follower.name,
    kind,
    status: () => follower.status(),
    parked: (limit) => follower.parked(limit),
    redrive: (stream) => follower.redrive(stream),
  };
}
