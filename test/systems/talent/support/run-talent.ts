/** A talent as a process: `node run-talent.js DATA LISTEN [FLAGS]`, the flags as JSON. Says its address and worker id on stdout. */

import { once } from 'node:events';
import { pino } from 'pino';
import { loadTalentConfig, startTalent } from '../../../support/start-talent.js';

const [data, listen, flags = '{}'] = process.argv.slice(2);
const config = loadTalentConfig({ env: {}, cwd: '/', flags: { ...JSON.parse(flags), data, listen } });
const talent = await startTalent({ config, logger: pino({ level: 'silent' }) });
process.stdout.write(`${JSON.stringify({ address: talent.address, workerId: talent.workerId })}\n`);
await once(process, 'SIGTERM');
await talent.stop();
