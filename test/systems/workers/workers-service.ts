/** What workers and shards are on a node: two categories of peers and nothing else, served by owl.Peers. */

import * as rules from '../../../src/base/field-rules.js';
import type { NodeContext, OpenedService, ServiceSide } from '../../../src/node/system.js';
import type { LeasePolicy } from '../../../src/peers/holder/lease-terms.js';
import { Peers } from '../../../src/peers/served-peers.js';
import type { JsonObject } from '../../../src/runtime/event-store/event-store.js';
import type { WorkersConfig } from './config.js';
import { SHARDS_TABLE, shards, shardsTable } from './shard.js';
import { drain, WORKERS_TABLE, workers, workersTable } from './worker.js';

export const workersService: ServiceSide<WorkersConfig> = {
  actorTypes: [workers.type, shards.type],
  projections: [workersTable, shardsTable],
  proto: {},
  open,
};

const PAUSES: LeasePolicy = { kind: 'pause', share: 0.9 };

function open(node: NodeContext, { workers: times }: WorkersConfig): OpenedService {
  const { lease_seconds: leaseSeconds, give_up_seconds, margin_seconds } = times;
  const ends: LeasePolicy = { kind: 'end', giveUpSeconds: give_up_seconds, marginSeconds: margin_seconds };
  return {
    peers: [
      new Peers(node, {
        kind: workers,
        table: WORKERS_TABLE,
        terms: { leaseSeconds, policy: ends },
        protocols: { min: 1, max: 2 },
        read: slotsIn,
        giveUp: async (peerId) => {
          await node.runtime.system.execute(workers.type, peerId, { by: 'lease', decide: drain });
          node.logger.warn({ peerId }, 'a worker is given up');
          return true;
        },
      }),
      new Peers(node, {
        kind: shards,
        table: SHARDS_TABLE,
        terms: { leaseSeconds, policy: PAUSES },
        protocols: { min: 1, max: 1 },
      }),
    ],
    handlers: {},
  };
}

function slotsIn({ slots }: JsonObject): JsonObject {
  const given = typeof slots === 'number' ? slots : undefined;
  return { slots: rules.givenNumber('body.slots', given, rules.isWhole(1, 1024)) };
}
