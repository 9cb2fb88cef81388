/** Where the broker is that a configuration names. */

import type { WorkloadConfig } from '../config.js';
import type { BrokerPlace } from '../wire/amqp/broker-address.js';

/** Undefined where there is none. */
export function brokerPlaceOf({
  broker: url,
  broker_password_file: passwordFile,
  broker_ca_file: caFile,
}: WorkloadConfig['workload']): BrokerPlace | undefined {
  return url === undefined ? undefined : { url, passwordFile, caFile };
}
