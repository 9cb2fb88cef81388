/** A log receiver as a process: `node run-log-receiver.js DATA SERVER`. */

import { once } from 'node:events';
import { pino } from 'pino';
import { startLogReceiver } from '../../src/log-receiver/log-receiver.js';

const [data = '', server = ''] = process.argv.slice(2);
const alive = setInterval(() => undefined, 60_000);
const receiver = startLogReceiver({ data, server, logger: pino({ level: 'silent' }) });
await once(process, 'SIGTERM');
await receiver.stop();
clearInterval(alive);
