/** The keeper of the tests' jobs as a process: `node job-keeper-main.js DIRECTORY`. */

import { runKeeper } from '../../src/processes/keeper/run-keeper.js';
import { jobsIn } from './jobs.js';

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: job-keeper-main.js DIRECTORY');
await runKeeper(jobsIn(directory));
