/** A worker with slots: a lease (machines/peers/lease.ts) as one region of its machine, and beside it whether it is given work. */

import { assign, type SnapshotFrom, setup } from 'xstate';
import {
  ATTACHED_FIELDS,
  DETACHED_FIELDS,
  KEPT_FIELDS,
  keptBy,
  type LeaseContext,
  LOST_FIELDS,
  leaseOf,
  leaseStates,
  NO_LEASE,
  RETURNED_FIELDS,
} from '../../../machines/peers/lease.js';
import { peersProjection } from '../../../projections/peers/peers.js';
import { type PeerKind, WITHIN_TWO_LEASES } from '../../../src/peers/peer-kind.js';
import type { EventSchemas, EventsOf } from '../../../src/runtime/event-store/event-schema.js';

const WORKER_EVENTS = {
  WorkerAttached: { version: 1, fields: { peer_id: 'text', ...ATTACHED_FIELDS, slots: 'integer' } },
  WorkerLeaseKept: { version: 1, fields: { peer_id: 'text', ...KEPT_FIELDS } },
  WorkerLost: { version: 1, fields: { peer_id: 'text', ...LOST_FIELDS } },
  WorkerReturned: { version: 1, fields: { peer_id: 'text', ...RETURNED_FIELDS } },
  WorkerDetached: { version: 1, fields: { peer_id: 'text', ...DETACHED_FIELDS } },
  WorkerDraining: { version: 1, fields: { reason: 'text' } },
} as const satisfies EventSchemas;

const WORKER_LEASE = {
  attached: 'WorkerAttached',
  kept: 'WorkerLeaseKept',
  lost: 'WorkerLost',
  returned: 'WorkerReturned',
  detached: 'WorkerDetached',
} as const;

const workerMachine = setup({
  types: {} as {
    context: LeaseContext & { readonly slots: number };
    events: EventsOf<typeof WORKER_EVENTS>;
  },
  actions: {
    attach: assign(({ event }) =>
      event.type === 'WorkerAttached' ? { ...leaseOf(event.data), slots: event.data.slots } : {},
    ),
    keep: assign(({ event }) =>
      event.type === 'WorkerLeaseKept' || event.type === 'WorkerReturned' ? keptBy(event.data) : {},
    ),
  },
}).createMachine({
  id: 'worker',
  context: { ...NO_LEASE, slots: 0 },
  type: 'parallel',
  states: {
    lease: { initial: 'detached', states: leaseStates(WORKER_LEASE) },
    duty: { initial: 'in', states: { in: { on: { WorkerDraining: 'draining' } }, draining: {} } },
  },
});

/** It is given no work any more. */
export function drain({ value }: SnapshotFrom<typeof workerMachine>) {
  return value.duty === 'draining' ? [] : [{ type: 'WorkerDraining', data: { reason: 'it was given up' } }];
}

export const workers: PeerKind<typeof workerMachine> = {
  type: { category: 'wk_worker', version: 1, machine: workerMachine, events: WORKER_EVENTS },
  events: WORKER_LEASE,
  idField: 'peer_id',
  noun: 'worker',
  attachCall: 'attach of owl.Peers',
  leaseOf: ({ value, context }) => ({ ...context, status: value.lease }),
  knows: ({ context }, { slots }) => context.slots === slots,
  handover: WITHIN_TWO_LEASES,
};

export const WORKERS_TABLE = {
  name: 'wk_workers',
  version: 1,
  category: 'wk_worker',
  events: WORKER_LEASE,
  idField: 'peer_id',
  more: { slots: 'INTEGER NOT NULL' },
  others: ['WorkerDraining'],
} as const;

export const workersTable = peersProjection(WORKERS_TABLE);
