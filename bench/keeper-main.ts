/** The keeper of the measured jobs as a process: `node keeper-main.js DIRECTORY`. */

import { runKeeper } from '../src/processes/keeper/run-keeper.js';
import { jobsIn } from './jobs.js';

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: keeper-main.js DIRECTORY');
await runKeeper(jobsIn(directory));
