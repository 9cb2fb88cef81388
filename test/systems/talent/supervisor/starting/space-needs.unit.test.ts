/** How much disk a plot takes, against what Chia's documentation and a real log say. */

import t from 'tap';
import { finalBytes } from '../../../../../src/systems/talent/log-receiver/plot-file.js';
import {
  type FillingPlotter,
  spaceNeeds,
  tempBytes,
} from '../../../../../src/systems/talent/supervisor/starting/space-needs.js';

const GIB = 2 ** 30;
const BOTH: FillingPlotter = { fills: ['cache', 'dest'] };

t.test('finished plots are as large as they are documented', async (t) => {
  for (const [ksize, gib] of [
    [32, 101.4],
    [33, 208.8],
    [34, 429.9],
    [35, 884.1],
  ] as const)
    t.ok(Math.abs(finalBytes(ksize) / GIB / gib - 1) < 0.005, `k${ksize}: ${finalBytes(ksize) / GIB}`);
  t.equal((finalBytes(18) / GIB).toFixed(3), '0.004', 'as the log of a k18 says');
});

t.test('temp space is as documented, and never less than a share of the plot elsewhere', async (t) => {
  t.equal(tempBytes(32), 239 * GIB);
  t.equal(tempBytes(35), 2175 * GIB);
  t.ok(tempBytes(18) / GIB > 0.0105 + 0.0045, 'a k18 took 0.010 GiB beside its file of 0.004, both rounded');
  for (let ksize = 19; ksize <= 40; ksize += 1) t.ok(tempBytes(ksize) > tempBytes(ksize - 1), `k${ksize}`);
});

t.test('three file systems: each its part', async (t) => {
  const needs = spaceNeeds(32, BOTH, { cache1: 1, cache2: 2, dest: 3 });
  t.same(
    needs.map(({ place, fileSystem, bytes }) => [place, fileSystem, Math.round(bytes / GIB)]),
    [
      ['cache1', 1, 239],
      ['cache2', 2, 110],
      ['dest', 3, 101],
    ],
  );
});

t.test('one file system for several: the largest part, once', async (t) => {
  const places = (fileSystems: Parameters<typeof spaceNeeds>[2]) =>
    spaceNeeds(32, BOTH, fileSystems).map(({ place }) => place);
  t.same(places({ cache1: 1, cache2: 1, dest: 1 }), ['cache1']);
  t.same(places({ cache1: 1, cache2: 1, dest: 2 }), ['cache1', 'dest']);
  t.same(places({ cache1: 1, cache2: 2, dest: 2 }), ['cache1', 'cache2']);
  t.same(places({ cache1: 1, cache2: 2, dest: 1 }), ['cache1', 'cache2']);
});

t.test(
  'a plotter that works in memory needs its destination only, one that writes nothing nothing',
  async (t) => {
    const fileSystems = { cache1: 1, cache2: 1, dest: 1 };
    t.match(spaceNeeds(32, { fills: ['dest'] }, fileSystems), [{ place: 'dest', bytes: finalBytes(32) }]);
    t.same(spaceNeeds(32, { fills: [] }, fileSystems), []);
  },
);

t.test('the plot itself stays on the file system of its destination', async (t) => {
  const stays = (fileSystems: Parameters<typeof spaceNeeds>[2]) =>
    spaceNeeds(32, BOTH, fileSystems).map((need) => [need.place, need.stays]);
  t.same(stays({ cache1: 1, cache2: 1, dest: 2 }), [
    ['cache1', 0],
    ['dest', finalBytes(32)],
  ]);
  t.same(stays({ cache1: 1, cache2: 1, dest: 1 }), [['cache1', finalBytes(32)]]);
  t.same(
    spaceNeeds(32, { fills: ['cache'] }, { cache1: 1, cache2: 1, dest: 1 }).map((need) => need.stays),
    [0],
  );
});

t.test('of a file system that is not known nothing is said', async (t) => {
  t.match(spaceNeeds(32, BOTH, { cache1: undefined, cache2: undefined, dest: 2 }), [{ place: 'dest' }]);
});

t.test('a plotter that is known better takes what its declaration says, other k in proportion', async (t) => {
  const needs = (plotter: FillingPlotter, ksize: number, ...[cache1, cache2, dest]: number[]) =>
    spaceNeeds(ksize, plotter, { cache1, cache2, dest }).map(({ place, bytes }) => [
      place,
      (bytes / GIB).toFixed(1),
    ]);
  const madmax: FillingPlotter = { ...BOTH, k32_gib: { cache1: 220, cache2: 110, caches: 256 } };
  t.same(needs(madmax, 32, 1, 2, 3), [
    ['cache1', '220.0'],
    ['cache2', '110.0'],
    ['dest', '101.4'],
  ]);
  t.same(needs(madmax, 32, 1, 1, 1), [['cache1', '256.0']]);
  t.same(needs(madmax, 34, 1, 1, 1), [['cache1', '1087.0']]);
  t.same(needs(madmax, 18, 1, 1, 1), needs(BOTH, 18, 1, 1, 1), 'fixed costs weigh more in a small plot');
  const disk: FillingPlotter = { ...BOTH, k32_gib: { cache1: 288, cache2: 192 } };
  t.same(needs(disk, 32, 1, 1, 2)[0], ['cache1', '480.0'], 'both together, where nothing else is said');
});

t.test('a compressed plot takes the room of its level', async (t) => {
  const plotter: FillingPlotter = { fills: ['dest'], compressed_k32_gib: [87.5, 86] };
  const dest = (compression: number) =>
    spaceNeeds(32, { ...plotter, compression }, { cache1: 1, cache2: 1, dest: 2 }).map(({ bytes, stays }) => [
      (bytes / GIB).toFixed(1),
      stays === bytes,
    ]);
  t.same([0, 1, 2, 3].flatMap(dest), [
    ['101.4', true],
    ['87.5', true],
    ['86.0', true],
    ['101.4', true],
  ]);
  const own = spaceNeeds(32, { fills: ['dest'], k32_gib: { dest: 81.2 } }, { cache1: 1, cache2: 1, dest: 2 });
  t.same(
    own.map(({ bytes }) => (bytes / GIB).toFixed(1)),
    ['81.2'],
  );
});

t.test('below k25 each place has a margin, from there on none', async (t) => {
  const apart = { cache1: 1, cache2: 2, dest: 3 };
  const of = (ksize: number) => spaceNeeds(ksize, BOTH, apart).map(({ bytes }) => bytes / finalBytes(ksize));
  const [temp = 0, temp2 = 0, dest = 0] = of(25);
  for (const ksize of [18, 20, 24])
    for (const [index, share] of [temp, temp2, dest].entries())
      t.match(of(ksize)[index]?.toFixed(3), (share * 1.2).toFixed(3), `k${ksize}`);
  t.equal(dest, 1);
  t.match(spaceNeeds(20, BOTH, apart).at(-1), { stays: finalBytes(20) }, 'what stays is the plot');
});
