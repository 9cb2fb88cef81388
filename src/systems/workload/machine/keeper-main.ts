/** The keeper of payloads as a process: `node keeper-main.js DIRECTORY`, the directory of one pilot. */

import { runKeeper } from '../../../processes/keeper/run-keeper.js';
import { PilotDirectory } from './pilot-directory.js';

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: keeper-main.js DIRECTORY');
await runKeeper(new PilotDirectory(directory).payloads);
