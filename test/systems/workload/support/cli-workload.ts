/** A node of workload for commands, in the test's process. Guarantee: it is stopped when the test ends. */

import { join } from 'node:path';
import { pino } from 'pino';
import type { Test } from 'tap';
import { Settings } from '../../../../src/node/config/config.js';
import { startNode } from '../../../../src/node/node.js';
import { workload } from '../../../../src/systems/workload/system.js';

/** @param cwd of the commands; the node's data lie in it */
export async function startWorkload(t: Test, cwd: string) {
  const data = join(cwd, 'data');
  const config = new Settings([workload]).load({ env: {}, cwd, flags: { data, listen: '127.0.0.1:0' } });
  const node = await startNode({ systems: [workload], config, logger: pino({ level: 'silent' }) });
  t.teardown(() => node.stop());
  return { address: node.address, data };
}
