/** Temp files on a real disk: those of one plot are found and removed, and nothing else ever. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { SHIPPED_PLOTTERS } from '../../../../../src/systems/talent/supervisor/plotters/shipped-plotters.js';
import {
  findTempFiles,
  type Listing,
  listOnce,
  removeTempFiles,
  type TempOwner,
} from '../../../../../src/systems/talent/supervisor/plotters/temp-files.js';

const ID = 'd2540dcfcffddbfbd7e60b4aca4d54fb937db71991298fabc253f020a87ff7d4';
const OTHER = '022fb42c08c12de3a6af053880199806532e79515f94e83461612101f9412f9e';

function ownerIn(directory: string, plotter: string, plot_id: string | null = ID): TempOwner {
  const temp = SHIPPED_PLOTTERS.find(({ name }) => name === plotter)?.temp ?? [];
  return {
    ksize: 32,
    plot_id,
    temp,
    cache1: join(directory, 'a'),
    cache2: join(directory, 'b'),
    dest_path: join(directory, 'd'),
  };
}

const NAME = `plot-k32-2021-07-14-22-33-${ID}`;

t.test('the files that each plotter leaves', async (t) => {
  const left: Record<string, string[]> = {
    // As chiapos names them, which is inside of chia.
    chia: [
      `${NAME}.plot.table1.tmp`,
      `${NAME}.plot.sort.tmp`,
      `${NAME}.plot.p1.t2.sort_bucket_000.tmp`,
      `${NAME}.plot.2.tmp`,
    ],
    chiapos: [`plot-k32-${ID}.plot.table7.tmp`, `plot-k32-${ID}.plot.2.tmp`],
    madmax: [`${NAME}.p1.table2.tmp`, `${NAME}.p2.bitfield.tmp`, `${NAME}.plot.tmp`],
    bladebit: [`${NAME}.plot.tmp`],
  };
  for (const [plotter, names] of Object.entries(left)) {
    const files = Object.fromEntries(names.map((name) => [name, 'x'.repeat(5000)]));
    const directory = t.testdir({ a: files, b: {}, d: { ...files } });
    const owner = ownerIn(directory, plotter);
    const found = await findTempFiles(owner);
    t.equal(found.length, 2 * names.length, plotter);
    t.ok(
      found.every(({ bytes }) => bytes >= 4096),
      'what they take on the disk',
    );
    t.same(await removeTempFiles(owner), []);
    t.same([...readdirSync(join(directory, 'a')), ...readdirSync(join(directory, 'd'))], [], plotter);
  }
});

t.test('what belongs to others, or only looks alike, stays', async (t) => {
  const others = [
    `plot-k32-2021-07-14-22-33-${OTHER}.plot.table1.tmp`,
    `plot-kX-2021-07-14-22-33-${ID}.plot.table1.tmp`,
    `${NAME}.plot`,
    `${NAME}.plot.2.tmp.bak`,
    `my-${NAME}.plot.2.tmp`,
    `${NAME}Xplot.2.tmp`,
  ];
  const directory = t.testdir({
    a: { ...Object.fromEntries(others.map((name) => [name, ''])), [`${NAME}.plot.d.tmp`]: { inside: '' } },
    precious: '',
    elsewhere: { [`${NAME}.plot.2.tmp`]: '' },
    d: {},
  });
  symlinkSync(join(directory, 'precious'), join(directory, 'a', `${NAME}.plot.l.tmp`));
  symlinkSync(join(directory, 'elsewhere'), join(directory, 'a', `${NAME}.plot.ld.tmp`));
  const before = readdirSync(join(directory, 'a'));
  t.same(await removeTempFiles(ownerIn(directory, 'chia')), [], 'cache2 is not even there');
  t.same(readdirSync(join(directory, 'a')), before);
  t.ok(existsSync(join(directory, 'precious')));
  t.equal(readdirSync(join(directory, 'elsewhere')).length, 1);
});

t.test('a plotter that made another k than was ordered leaves its own files, and they go', async (t) => {
  const directory = t.testdir({ a: { [`${NAME}.p1.t1.sort_bucket_1.tmp`]: '' }, b: {}, d: {} });
  t.same(await removeTempFiles({ ...ownerIn(directory, 'madmax'), ksize: 33 }), []);
  t.same(readdirSync(join(directory, 'a')), []);
});

t.test('what may be a whole plot that lacks only its name stays where that is asked for', async (t) => {
  const directory = t.testdir({
    a: { [`${NAME}.plot.sort.tmp`]: '' },
    b: {},
    d: { [`${NAME}.plot.tmp`]: '' },
  });
  const whole = join(directory, 'd', `${NAME}.plot.tmp`);
  truncateSync(whole, 108_800_000_000);
  const owner = ownerIn(directory, 'madmax');
  t.match(await removeTempFiles(owner, undefined, true), [
    new RegExp(`^${whole} stays: with 108800000000 bytes it may be the whole plot`),
  ]);
  t.same(readdirSync(join(directory, 'a')), [], 'the others go');
  t.same(await removeTempFiles(owner), []);
  t.notOk(existsSync(whole), 'of a plotter that was ended it goes too');
});

t.test('as long as the plot id is not known, or is none, nothing fits', async (t) => {
  const directory = t.testdir({
    a: { [`${NAME}.plot.2.tmp`]: '', 'plot-k32-x-null.plot.2.tmp': '' },
    b: {},
    d: {},
  });
  for (const plotId of [null, '', '*', ID.slice(1), `${ID}|.*`])
    t.same(await findTempFiles(ownerIn(directory, 'chia', plotId)), [], String(plotId));
  const where = ['a', 'b', 'd'].map((name) => join(directory, name)).join(', ');
  t.same(
    await removeTempFiles(ownerIn(directory, 'chia', null)),
    [`its plot id was never known; if it has left temp files in ${where}, remove them yourself`],
    'and whoever is to remove them says so',
  );
  t.same(await removeTempFiles({ ...ownerIn(directory, 'chia', null), temp: [] }), []);
});

t.test('a pattern without the plot id fits nothing, whoever has let it in', async (t) => {
  const directory = t.testdir({ a: { 'task_1.x.tmp': '', 'x.tmp': '' }, b: {}, d: {} });
  for (const pattern of ['*.tmp', '{task_id}.*tmp', '*task_1*tmp'])
    t.same(await findTempFiles({ ...ownerIn(directory, 'chia'), temp: [pattern] }), [], pattern);
});

t.test('a file counts once, whatever its directory is called', async (t) => {
  const directory = t.testdir({ a: { [`${NAME}.plot.2.tmp`]: 'x' }, link: t.fixture('symlink', 'a') });
  const owner = {
    ...ownerIn(directory, 'chia'),
    cache2: `${join(directory, 'a')}/`,
    dest_path: join(directory, 'link'),
  };
  t.equal((await findTempFiles(owner)).length, 1);
  t.same(await removeTempFiles(owner), []);
  t.same(readdirSync(join(directory, 'a')), []);
});

t.test('what can not be looked at is told, and the rest is removed all the same', async (t) => {
  const directory = t.testdir({
    a: t.fixture('symlink', 'a'),
    b: { [`${NAME}.plot.2.tmp`]: '' },
    d: { [`${NAME}.plot.2.tmp`]: '' },
  });
  const owner = ownerIn(directory, 'chia');
  // As on a server that goes away in between: it has told the name, and that is all.
  const unseen = `${NAME}.plot.${'x'.repeat(255)}.tmp`;
  const listing: Listing = async (path) => [
    ...(path === owner.cache2 ? [unseen] : []),
    ...(await readdir(path)),
  ];
  t.equal((await findTempFiles(owner, listing)).length, 2);
  t.match(await removeTempFiles(owner, listing), [
    /a can't be looked at for temp files: ELOOP/,
    /x\.tmp can't be looked at for temp files: ENAMETOOLONG/,
  ]);
  t.same([...readdirSync(owner.cache2), ...readdirSync(owner.dest_path)], []);
});

t.test('a directory is read once for all plots of one look', async (t) => {
  const directory = t.testdir({ a: {}, b: {}, d: {} });
  const listing = listOnce();
  t.same(await findTempFiles(ownerIn(directory, 'chia'), listing), []);
  writeFileSync(join(directory, 'a', `${NAME}.plot.2.tmp`), '');
  t.same(await findTempFiles(ownerIn(directory, 'chia'), listing), []);
  t.equal((await findTempFiles(ownerIn(directory, 'chia'))).length, 1);
});

t.test('a file that a process has open stays, and is told of', async (t) => {
  const [used, unused] = [`${NAME}.plot.2.tmp`, `${NAME}.plot.table1.tmp`];
  const directory = t.testdir({ a: { [used]: '', [unused]: '' }, b: {}, d: {} });
  const file = openSync(join(directory, 'a', used), 'r');
  const user = spawn('sleep', ['1000'], { stdio: ['ignore', file, 'ignore'] });
  closeSync(file);
  t.same(await removeTempFiles(ownerIn(directory, 'chia')), [
    `${join(directory, 'a', used)} stays, because process ${user.pid} has it open; end that, and remove the file`,
  ]);
  t.same(readdirSync(join(directory, 'a')), [used]);
  const ended = once(user, 'exit');
  user.kill();
  await ended;
  t.same(await removeTempFiles(ownerIn(directory, 'chia')), []);
  t.same(readdirSync(join(directory, 'a')), []);
});
