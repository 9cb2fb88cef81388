/** The keeper of the measured jobs as a process: `node keeper-main.js DIRECTORY`. */

import { runKeeper } from '../src/processes/keeper/run-keeper.js';
import { jobsIn } from './jobs.js';

const [directory = ''] = process.argv.slice(2);
await runKeeper(jobsIn(directory));
