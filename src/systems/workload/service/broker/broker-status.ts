/**
 * How the broker stands, for people and for metrics: asked of the broker when somebody looks.
 *
 * Guarantee: whoever looks is answered, whatever the broker does: what does not answer in time, or is not there, is said in its place.
 */

import type { z } from 'zod';
import { messageOf } from '../../../../base/errors.js';
import { type MetricGroup, metricGroup, one } from '../../../../node/metrics/metric.js';
import { answered, type ServedOperation } from '../../../../node/operations/operation.js';
import { DEVICES } from '../../devices.js';
import { EVENTS_DEAD, JOBS_DEAD, jobsQueue, PILOT_EVENTS } from '../../wire/amqp/topology.js';
import type { WorkloadContext } from '../workload-context.js';
import { brokerStatus } from './broker-operations.js';
import type { PilotBroker } from './pilot-broker.js';

/** A broker that is there answers in milliseconds. */
const LOOK_WITHIN_MS = 2_000;
const DEAD: readonly string[] = [JOBS_DEAD, EVENTS_DEAD];
const LIVING: readonly string[] = [...DEVICES.map(jobsQueue), PILOT_EVENTS];

interface Look {
  readonly name: string;
  readonly messages?: number;
  readonly consumers?: number;
  readonly problem?: string;
}

type Status = z.input<typeof brokerStatus.answer>;

export function brokerOperations(
  context: WorkloadContext,
  broker: PilotBroker | undefined,
): ServedOperation[] {
  return [
    answered(brokerStatus, async () =>
      broker === undefined ? { configured: false } : await statusOf(context, broker),
    ),
  ];
}

async function statusOf({ config, node, db }: WorkloadContext, broker: PilotBroker): Promise<Status> {
  const { isConnected, since, attempts, version } = broker.standing;
  const { problem } = broker;
  const queues = isConnected ? await look(broker, [...LIVING, ...DEAD]) : [];
  const [events] = queues.filter(({ name }) => name === PILOT_EVENTS);
  const heardBy = broker.hears === true || (broker.hears === undefined && events?.consumers === 1);
  const other = isConnected && !heardBy ? otherNode(db, node.workerId) : undefined;
  const hearing = heardBy ? node.workerId : other;
  return {
    ...{ configured: true, address: config.broker ?? '', connected: isConnected, since: since / 1000 },
    ...{ attempts, queue_type: config.queue_type, node: node.workerId },
    ...(problem === undefined ? {} : { problem }),
    ...(version === undefined ? {} : { version }),
    queues: queues.map((queue) => ({
      ...queue,
      dead: DEAD.includes(queue.name),
      ...unacknowledged(queue.name, broker),
    })),
    buried: broker.buried
      .samples()
      .filter(({ value }) => value > 0)
      .map(({ labels = {}, value }) => ({ ...labels, count: value })),
    ...(hearing === undefined ? {} : { heard_by: hearing }),
  };
}

function unacknowledged(name: string, { queue, underWay }: PilotBroker): { unacknowledged?: number } {
  if (name === PILOT_EVENTS) return { unacknowledged: underWay };
  const device = DEVICES.find((one) => jobsQueue(one) === name);
  return device === undefined ? {} : { unacknowledged: queue.held(device) };
}

/** The one beside this one that pilots are attached to, where there is but one. */
function otherNode(db: WorkloadContext['db'], here: string): string | undefined {
  const rows = db
    .prepare(
      `SELECT DISTINCT node_id FROM pilot_dat WHERE status IN ('active', 'draining') AND node_id <> ? LIMIT 2`,
    )
    .all(here);
  const [first, second] = rows;
  return first === undefined || second !== undefined ? undefined : String(first['node_id']);
}

/** Each on a channel of its own, for a queue that is not there ends it. Never rejects. */
async function look({ broker }: PilotBroker, names: readonly string[]): Promise<Look[]> {
  return await Promise.all(
    names.map(async (name) => {
      try {
        const found = await broker.once((channel) => channel.checkQueue(name), LOOK_WITHIN_MS);
        return { name, messages: found.messageCount, consumers: found.consumerCount };
      } catch (error) {
        const why = messageOf(error);
        return { name, problem: /NOT[_-]FOUND/.test(why) ? 'it is not there' : why };
      }
    }),
  );
}

/** Of a node without one there are no values. */
export function brokerMetrics(broker: PilotBroker | undefined): MetricGroup {
  const messagesIn = (queues: readonly Look[], names: readonly string[]) =>
    queues.flatMap(({ name, messages }) =>
      messages === undefined || !names.includes(name) ? [] : [{ labels: { queue: name }, value: messages }],
    );
  return metricGroup<readonly Look[]>({
    name: 'workload-broker',
    gather: async () => (broker?.standing.isConnected ? await look(broker, [...LIVING, ...DEAD]) : []),
    metrics: [
      {
        name: 'workload_broker_connected',
        help: 'Whether this node is connected to its broker: 1, or not: 0; nothing where none is configured',
        type: 'gauge',
        samples: () => one(broker === undefined ? undefined : Number(broker.standing.isConnected)),
      },
      {
        name: 'workload_broker_messages',
        help: 'Messages that wait at the broker, by queue; nothing while it is away',
        type: 'gauge',
        labels: ['queue'],
        samples: (queues) => messagesIn(queues, LIVING),
      },
      {
        name: 'workload_broker_dead_messages',
        help: 'Dead letters at the broker, by queue; nothing while it is away',
        type: 'gauge',
        labels: ['queue'],
        samples: (queues) => messagesIn(queues, DEAD),
      },
      {
        name: 'workload_broker_buried_total',
        help: 'Messages that this node has laid with the dead, and hints whose death it was told, since it began, by queue and reason',
        type: 'counter',
        labels: ['queue', 'reason'],
        samples: () => broker?.buried.samples() ?? [],
      },
    ],
  });
}
