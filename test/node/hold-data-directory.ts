/** A program that opens a data directory, prints its worker id and keeps it until it is killed or its input ends. */

import { systemClock } from '../../src/base/clock.js';
import { openDataDirectory } from '../../src/node/data-directory.js';

const [, , path = ''] = process.argv;
const { workerId, keepWorkerId, release } = openDataDirectory(path, systemClock);
keepWorkerId();
process.stdout.write(`${workerId}\n`);
process.stdin.on('end', release).resume();
