/** A pilot as a process: `node run-pilot.js DATA SERVER SETTINGS [NODE_DATA]`, the settings as JSON, and so a broker in place of a server. */

import { once } from 'node:events';
import { pino } from 'pino';
import { type PilotSettings, runPilot } from '../../../../src/systems/workload/machine/pilot.js';
import { localCredentials } from '../../../support/local-credentials.js';
import { wakingClock } from '../../../support/waking-clock.js';

const [data = '', server = '', json = '', nodeData] = process.argv.slice(2);
const settings: PilotSettings = JSON.parse(json);
const pilot = await runPilot({
  ...{ settings, data, logger: pino({ level: 'silent' }), version: '1' },
  ...(server.startsWith('{') ? { broker: JSON.parse(server) } : { server }),
  ...(nodeData === undefined ? {} : { credentials: localCredentials(nodeData) }),
  ...{ variables: process.env, clock: wakingClock, storagePatienceMs: 0 },
});
await Promise.race([once(process, 'SIGTERM'), pilot.lost]);
await pilot.stop();
