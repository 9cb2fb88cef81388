/** A node of semaphores as a process: `node run-node.js DATA SETTINGS`, variables as JSON. Says its address on stdout. */

import { once } from 'node:events';
import { pino } from 'pino';
import { Settings } from '../../../src/node/config/config.js';
import { startNode } from '../../../src/node/node.js';
import { semaphoreSystem } from './system.js';

const [data = '', settings = '{}'] = process.argv.slice(2);
const systems = [semaphoreSystem];
const flags = { data, listen: '127.0.0.1:0' };
const config = new Settings(systems).load({ env: JSON.parse(settings), cwd: '/', flags });
const node = await startNode({ systems, config, logger: pino({ level: 'silent' }) });
process.stdout.write(node.address);
await once(process, 'SIGTERM');
await node.stop();
