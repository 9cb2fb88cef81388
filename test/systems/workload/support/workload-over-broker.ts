/** A node of workload that speaks over a RabbitMQ, in a virtual host of its own. Guarantees: those of `startWorkload`. */

import type { Test } from 'tap';
import type { RabbitMq } from '../../../support/rabbitmq.js';
import { startWorkload } from './workload-node.js';

export async function startWorkloadOverBroker(
  t: Test,
  rabbit: RabbitMq,
  config: Readonly<Record<string, number>> = {},
) {
  const { passwordFile } = rabbit;
  const url = rabbit.url();
  const broker = { broker: url, broker_password_file: passwordFile };
  const node = await startWorkload(t, { config: { ...broker, ...config } });
  return { node, url, place: { url, passwordFile } };
}
