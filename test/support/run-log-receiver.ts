/** A log receiver as a process: `node run-log-receiver.js DATA SERVER [VERSION]`. */

import { once } from 'node:events';
import { pino } from 'pino';
import { unwrittenEnds } from '../../src/processes/keeper/keeper-link.js';
import { startLogReceiver } from '../../src/systems/talent/log-receiver/log-receiver.js';
import { TalentDirectory } from '../../src/systems/talent/machine/talent-directory.js';

const [data = '', server = '', version = 'test'] = process.argv.slice(2);
// Before it says who it is: from then on it may be told to end.
const toldToEnd = once(process, 'SIGTERM');
const alive = setInterval(() => undefined, 60_000);
const receiver = startLogReceiver({
  ...{ machine: new TalentDirectory(data), server, version, unwrittenEnds },
  logger: pino({ level: 'silent' }),
});
await toldToEnd;
await receiver.stop();
clearInterval(alive);
