/** The keeper of jobs that sync nothing as a process: `node quick-job-keeper-main.js DIRECTORY`. */

import { runKeeper } from '../../src/processes/keeper/run-keeper.js';
import { jobsIn, QUICK_JOBS } from './jobs.js';

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: quick-job-keeper-main.js DIRECTORY');
await runKeeper(jobsIn(directory, QUICK_JOBS));
