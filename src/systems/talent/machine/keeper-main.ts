/** The keeper of plots as a process: `node keeper-main.js DATA_DIRECTORY`. */

import { runKeeper } from '../../../processes/keeper/run-keeper.js';
import { TalentDirectory } from './talent-directory.js';

const [data] = process.argv.slice(2);
if (data === undefined) throw new Error('usage: keeper-main.js DATA_DIRECTORY');
await runKeeper(new TalentDirectory(data).plots);
