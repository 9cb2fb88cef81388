/** What can be asked for about the broker. */

import { READERS } from '../../../../node/entities/entity-operations.js';
import {
  explicit,
  flag,
  int64,
  list,
  message,
  number,
  request,
  text,
} from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';

const some = text().optional();
const count = (description: string) => explicit(int64({ description }));

const queueMessage = message('workload.BrokerQueue', {
  name: some,
  messages: count('That wait.'),
  consumers: count('Who takes from it, of all nodes and pilots.'),
  unacknowledged: count('That this node has taken and not settled; absent where it takes nothing.'),
  dead: flag({ description: 'It holds dead letters, which stay for people to look at.' }).optional(),
  problem: text(undefined, { description: "Why it can't be looked at." }).optional(),
});

const buriedMessage = message('workload.BuriedMessages', {
  queue: some,
  reason: text(undefined, { description: 'not_json, unknown_job, delivery_limit, …' }).optional(),
  count: int64().optional(),
});

export const brokerStatus = operation({
  service: 'workload.Broker',
  name: 'broker_status',
  kind: 'query',
  roles: READERS,
  http: { method: 'GET', path: '/broker' },
  summary:
    'The broker between this node and its pilots: whether it is there, its queues and the dead letters.',
  request: request({}),
  answer: message('workload.BrokerStatus', {
    configured: flag({
      description: 'workload.broker is set. Where it is not nothing else is said.',
    }).optional(),
    address: text(undefined, { description: 'Without a password.' }).optional(),
    connected: flag().optional(),
    since: explicit(number(undefined, { description: 'Unix seconds: connected, or away, since then.' })),
    problem: text(undefined, {
      description: 'Why it is away, or what of it is not as it must be.',
    }).optional(),
    attempts: int64({ description: 'How often it was tried to connect since it is away.' }).optional(),
    version: text(undefined, { description: 'As it says itself, since this node began.' }).optional(),
    queue_type: some,
    queues: list(queueMessage),
    buried: list(buriedMessage, {
      description:
        'What this node has laid with the dead, and hints whose death it was told, since it began, by reason.',
    }),
    node: text(undefined, { description: 'Who answers.' }).optional(),
    heard_by: text(undefined, {
      description: 'The node that hears the messages of pilots; absent while it is not known.',
    }).optional(),
  }),
});
