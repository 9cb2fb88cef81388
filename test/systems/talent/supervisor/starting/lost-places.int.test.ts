/** Disks that are taken out while tasks wait and the supervisor is away: with real processes, on disks as the test says. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type LookAtDirectory, lookAtDirectory } from '../../../../../src/processes/directories.js';
import { until } from '../../../../support/until.js';
import { Farm, pausingPlayer, playerWith } from '../../support/farm.js';

t.test('a disk that is taken out while its supervisor is away is missed by the next one', async (t) => {
  const farm = await Farm.start(t);
  let isMounted = true;
  const look: LookAtDirectory = async (path) => {
    const { id } = await lookAtDirectory(path);
    const room = { free: 2 ** 50, size: 2 ** 50 };
    if (path === farm.dest && isMounted)
      return { id, fileSystem: 2, ...room, free: 0, mountPoint: farm.dest };
    return { id, fileSystem: 1, ...room, mountPoint: '/' };
  };
  const player = playerWith('--seconds', '0');
  const first = await farm.supervise(player, { lookAtDirectory: look });
  await farm.order('a');
  t.match((await farm.reaches('a', 'pending')).remarks, /^dest .* has 0\.0 MiB free/);
  await first.stop();
  isMounted = false;
  const second = await farm.supervise(player, { lookAtDirectory: look });
  const says = (what: RegExp) =>
    until(`it says ${what}`, async () => what.test((await farm.task('a')).remarks ?? ''));
  await says(/is on another file system than when it was looked at before/);
  t.equal((await farm.task('a')).status, 'pending');
  await second.stop();

  rmSync(join(farm.data, 'places.json'));
  await farm.supervise(player, { lookAtDirectory: look });
  await farm.reaches('a', 'finished');
});

t.test('a disk that is taken out while as many plots run as may is missed, too', async (t) => {
  const farm = await Farm.start(t);
  let isMounted = true;
  const look: LookAtDirectory = async (path) => ({
    ...(await lookAtDirectory(path)),
    ...(path === farm.cache2 && isMounted
      ? { fileSystem: -2, mountPoint: farm.cache2 }
      : { fileSystem: -1, mountPoint: '/' }),
  });
  await farm.supervise(pausingPlayer(farm), { max_plots: 1, lookAtDirectory: look });
  await farm.order('a', { cache2: farm.cache1 });
  await farm.reachesPause('a');
  t.equal(farm.recordOf('a').dest_mount, '/', 'which tells at its end whether its disk is still there');
  await farm.order('b');
  t.match((await farm.reaches('b', 'pending')).remarks, /as many as max_plots allows/);
  isMounted = false;
  farm.goOn();
  await farm.reaches('a', 'finished');
  await until('it says that the disk is missing', async () =>
    /^cache2 .* is on another file system/.test((await farm.task('b')).remarks ?? ''),
  );
  isMounted = true;
  await farm.reaches('b', 'finished');
});
