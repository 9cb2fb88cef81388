/**
 * The keeper's process: `node keeper-main.js DATA_DIRECTORY`. A second one for the same directory ends at once, so a
 * supervisor may start one whenever it finds none. A signal to end ends it unless it has something to keep.
 *
 * Guarantee: once it listens, no error ends it: what it keeps is worth more than an orderly end.
 */

import { join } from 'node:path';
import { systemClock } from '../../base/clock.js';
import { messageOf } from '../../base/errors.js';
import { tryLock } from '../../base/sqlite.js';
import { complain } from './complain.js';
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
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
    process.on(signal, () => void listening.then(() => keeper.endWhenIdle()));
  await listening;
  for (const trouble of ['uncaughtException', 'unhandledRejection'])
    process.on(trouble, (error: unknown) => complain(`going on after an error: ${messageOf(error)}`));
}
