/** What is said of a plot that came to nothing and has left files behind, with real files. */

import { truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type LeftOwner, leftBehind } from '../../../../src/systems/talent/log-receiver/left-behind.js';
import { finalBytes } from '../../../../src/systems/talent/log-receiver/plot-file.js';

const ID = 'ab'.repeat(32);
const OTHER = 'cd'.repeat(32);
const STARTED = 1_000_000;

function ownerIn(directory: string, plot_id: string | null = ID): LeftOwner {
  return {
    ...{ ksize: 20, plot_id, temp: ['plot-k{ksize}-*-{plot_id}.*tmp'], started_time: STARTED },
    cache1: join(directory, 'c'),
    cache2: join(directory, 'c'),
    dest_path: join(directory, 'd'),
    otherIds: new Set([OTHER]),
  };
}

function put(path: string, bytes: number, changedSeconds = STARTED + 60): string {
  writeFileSync(path, '');
  truncateSync(path, bytes);
  utimesSync(path, changedSeconds, changedSeconds);
  return path;
}

t.test('a whole plot in a cache is named, and what its supervisor clears away is not', async (t) => {
  const directory = t.testdir({ c: {}, d: {} });
  const owner = ownerIn(directory);
  const path = put(join(owner.cache1, `plot-k20-1-${ID}.plot`), 7);
  put(join(owner.cache1, `plot-k20-1-${ID}.plot.sort.tmp`), 7);
  put(join(owner.cache1, `plot-k20-1-${OTHER}.plot`), 7);
  t.same(await leftBehind(owner, true), [`its plot lies in the cache and stays there: ${path} (7 bytes)`]);
  t.same(await leftBehind({ ...owner, dest_path: owner.cache1 }, true), [], 'that is where it belongs');
});

t.test('a plot that could not be renamed is named, because it stays', async (t) => {
  const directory = t.testdir({ c: {}, d: {} });
  const owner = ownerIn(directory);
  const path = put(join(owner.dest_path, `plot-k20-1-${ID}.plot.tmp`), finalBytes(20));
  t.match(await leftBehind(owner, true), [/^\S+ stays: with \d+ bytes it may be the whole plot/]);
  t.ok((await leftBehind(owner, true))[0]?.startsWith(path));
  t.same(await leftBehind(owner, false), [], 'of a plotter that ended badly it goes');
});

t.test('of a plot whose id nobody knows the files are named that may be its own', async (t) => {
  const directory = t.testdir({ c: {}, d: {} });
  const owner = ownerIn(directory, null);
  const [sentence = ''] = await leftBehind(owner, false);
  t.match(
    sentence,
    /^its plot id was never known; if it has left temp files in .*c, .*d, remove them yourself$/,
  );
  const own = ['1', '2', '3', '4'].map((n) => put(join(owner.cache1, `plot-k20-1-${ID}.${n}.tmp`), 1));
  put(join(owner.cache1, `plot-k20-1-${OTHER}.1.tmp`), 1);
  put(join(owner.dest_path, `plot-k20-1-${'ef'.repeat(32)}.1.tmp`), 1, STARTED - 3_600);
  const [all = ''] = await leftBehind(owner, false);
  t.ok(all.startsWith(sentence));
  t.match(all, /are of no other plot known here are \S+\.tmp, \S+\.tmp, \S+\.tmp, 1 more$/);
  t.equal(own.filter((path) => all.includes(path)).length, 3);
});
