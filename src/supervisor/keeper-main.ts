/**
 * The keeper's process: `node keeper-main.js DATA_DIRECTORY`. A second one for the same directory ends at once, so a
 * supervisor may start one whenever it finds none. SIGTERM ends it unless it has something to keep.
 */

import { join } from 'node:path';
import { systemClock } from '../runtime/clock.js';
import { tryLock } from '../runtime/sqlite.js';
import { Keeper } from './keeper.js';

const [data] = process.argv.slice(2);
if (data === undefined) throw new Error('usage: keeper-main.js DATA_DIRECTORY');

const unlock = tryLock(join(data, 'keeper.lock'));
if (unlock !== undefined) {
  const keeper = new Keeper({
    data,
    clock: systemClock,
    onIdle: () => void keeper.close().then(unlock),
  });
  const listening = keeper.listen();
  process.on('SIGTERM', () => void listening.then(() => keeper.endWhenIdle()));
  await listening;
}
