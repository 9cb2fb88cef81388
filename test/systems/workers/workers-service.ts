/** What workers and shards are on a node: two categories of peers, served by owl.Peers, and what workers can be asked for. */

import * as rules from '../../../src/base/field-rules.js';
import { answered, type ServedOperation } from '../../../src/node/operations/operation.js';
import type { NodeContext, OpenedService, ServiceSide } from '../../../src/node/system.js';
import type { LeasePolicy } from '../../../src/peers/holder/lease-terms.js';
import { Peers } from '../../../src/peers/served-peers.js';
import type { JsonObject } from '../../../src/runtime/event-store/event-store.js';
import type { WorkersConfig } from './config.js';
import { SHARDS_TABLE, shards, shardsTable } from './shard.js';
import { drain, WORKERS_TABLE, workers, workersTable } from './worker.js';
import { drainWorker, loadWorkersProto, workerSlots } from './worker-operations.js';

export const workersService: ServiceSide<WorkersConfig> = {
  actorTypes: [workers.type, shards.type],
  projections: [workersTable, shardsTable],
  proto: loadWorkersProto(),
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
    operations: workerOperations(node),
    handlers: {},
  };
}

function workerOperations({ runtime: { system } }: NodeContext): ServedOperation[] {
  return [
    answered(drainWorker, async ({ peer_id, reason = '', command_id: id }, asking) => {
      const order = id === undefined ? {} : { id, asks: { name: 'drain', content: { reason } } };
      const { revision, duplicate } = await system.execute(workers.type, peer_id, {
        ...order,
        decide: drain,
      });
      asking.repeated(duplicate);
      return { revision };
    }),
    answered(workerSlots, async ({ peer_id }) => {
      const { revision, snapshot } = await system.read(workers.type, peer_id);
      return revision < 0 ? {} : { slots: snapshot.context.slots };
    }),
  ];
}

function slotsIn({ slots }: JsonObject): JsonObject {
  const given = typeof slots === 'number' ? slots : undefined;
  return { slots: rules.givenNumber('body.slots', given, rules.isWhole(1, 1024)) };
}
