/** A supervisor as a process: `node run-supervisor.js OPTIONS`, with config and logReceiver as JSON. Says `ready` on stdout. */

import { once } from 'node:events';
import { pino } from 'pino';
import { startSupervisor } from '../../../../src/systems/talent/supervisor/supervisor.js';

const [options = ''] = process.argv.slice(2);
const supervisor = await startSupervisor({
  ...JSON.parse(options),
  logger: pino({ level: 'silent' }),
  version: 'test',
  path: '',
});
process.stdout.write('ready\n');
await once(process, 'SIGTERM');
await supervisor.stop();
