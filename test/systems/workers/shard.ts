/** A shard, which stands still when nobody hears it: its machine is the lease and nothing else. */

import { assign, setup } from 'xstate';
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
import type { PeerKind } from '../../../src/peers/peer-kind.js';
import type { EventSchemas, EventsOf } from '../../../src/runtime/event-store/event-schema.js';

const SHARD_EVENTS = {
  ShardAttached: { version: 1, fields: { peer_id: 'text', ...ATTACHED_FIELDS } },
  ShardLeaseKept: { version: 1, fields: { peer_id: 'text', ...KEPT_FIELDS } },
  ShardLost: { version: 1, fields: { peer_id: 'text', ...LOST_FIELDS } },
  ShardReturned: { version: 1, fields: { peer_id: 'text', ...RETURNED_FIELDS } },
  ShardDetached: { version: 1, fields: { peer_id: 'text', ...DETACHED_FIELDS } },
} as const satisfies EventSchemas;

const SHARD_LEASE = {
  attached: 'ShardAttached',
  kept: 'ShardLeaseKept',
  lost: 'ShardLost',
  returned: 'ShardReturned',
  detached: 'ShardDetached',
} as const;

const shardMachine = setup({
  types: {} as { context: LeaseContext; events: EventsOf<typeof SHARD_EVENTS> },
  actions: {
    attach: assign(({ event }) => (event.type === 'ShardAttached' ? leaseOf(event.data) : {})),
    keep: assign(({ event }) =>
      event.type === 'ShardLeaseKept' || event.type === 'ShardReturned' ? keptBy(event.data) : {},
    ),
  },
}).createMachine({
  id: 'shard',
  context: NO_LEASE,
  initial: 'detached',
  states: leaseStates(SHARD_LEASE),
});

export const shards: PeerKind<typeof shardMachine> = {
  type: { category: 'wk_shard', version: 1, machine: shardMachine, events: SHARD_EVENTS },
  events: SHARD_LEASE,
  idField: 'peer_id',
  noun: 'shard',
  attachCall: 'attach of owl.Peers',
  leaseOf: ({ value, context }) => ({ ...context, status: value }),
  knows: () => true,
};

export const SHARDS_TABLE = {
  name: 'wk_shards',
  version: 1,
  category: 'wk_shard',
  events: SHARD_LEASE,
  idField: 'peer_id',
} as const;

export const shardsTable = peersProjection(SHARDS_TABLE);
