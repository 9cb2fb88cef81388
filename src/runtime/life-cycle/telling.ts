/** Tells how work ended that others wait for. Nothing is made of it while nobody listens, and nothing of it is changed. */

import { OwlError } from '../../base/errors.js';
import type { Command, CommandResult } from '../actors/actor-type.js';
import { categoryOf, type StreamName } from '../event-store/event-store.js';
import type { LifeCycle, Listens } from './life-cycle.js';

export function tellAppend(
  lifeCycle: LifeCycle | undefined,
  stream: StreamName,
  events: number,
  appending: Promise<unknown>,
): void {
  if (lifeCycle === undefined) return;
  if (!lifeCycle.wants('events appended') && !lifeCycle.wants('append failed')) return;
  const category = categoryOf(stream);
  const began = lifeCycle.now();
  appending.then(
    () => lifeCycle.tell({ type: 'events appended', category, events, tookMs: lifeCycle.now() - began }),
    (error: unknown) => {
      const tookMs = lifeCycle.now() - began;
      lifeCycle.tell({ type: 'append failed', category, kind: kindOf(error), tookMs });
    },
  );
}

export function tellCommand(
  lifeCycle: LifeCycle | undefined,
  category: string,
  { by }: Pick<Command, 'by'>,
  work: Promise<Pick<CommandResult, 'events'>>,
): void {
  if (lifeCycle === undefined) return;
  if (!lifeCycle.wants('command carried out') && !lifeCycle.wants('command refused')) return;
  const began = lifeCycle.now();
  work.then(
    ({ events: { length: events } }) => {
      const tookMs = lifeCycle.now() - began;
      lifeCycle.tell({ type: 'command carried out', category, by, events, tookMs });
    },
    (error: unknown) => lifeCycle.tell({ type: 'command refused', category, by, kind: kindOf(error) }),
  );
}

/** Tells at once that there are none, so that who counts knows of which kinds there may be. @returns tells how many leases of these peers this node keeps now */
export function tellsLeases(lifeCycle: LifeCycle | undefined, what: string): (leases: number) => void {
  const tell = (leases: number) => {
    if (lifeCycle?.wants('leases kept')) lifeCycle.tell({ type: 'leases kept', what, leases });
  };
  tell(0);
  return tell;
}

/** @returns tells how many connections there are */
export function tellsConnections(
  lifeCycle: LifeCycle | undefined,
  listener: Listens,
): (connections: number) => void {
  return (connections) => {
    if (lifeCycle?.wants('connections held'))
      lifeCycle.tell({ type: 'connections held', listener, connections });
  };
}

function kindOf(error: unknown) {
  return error instanceof OwlError ? error.kind : 'internal';
}
