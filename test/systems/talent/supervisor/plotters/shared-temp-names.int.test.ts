/** Temp files that have the same names for all plots of a plotter: on a real disk, and made by a real plotter of shell. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  openSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { lookAtDirectory } from '../../../../../src/processes/directories.js';
import { removeOwnTempFiles } from '../../../../../src/systems/talent/supervisor/plots/own-temp-files.js';
import type { PlotterDeclaration } from '../../../../../src/systems/talent/supervisor/plotters/plotters.js';
import { SHIPPED_PLOTTERS } from '../../../../../src/systems/talent/supervisor/plotters/shipped-plotters.js';
import {
  findTempFiles,
  removeTempFiles,
  type TempOwner,
} from '../../../../../src/systems/talent/supervisor/plotters/temp-files.js';
import { tempBytes } from '../../../../../src/systems/talent/supervisor/starting/space-needs.js';
import { plotsIn } from '../../../../support/plots-in.js';
import { PlayedPlot } from '../../../../support/plotted.js';
import { until } from '../../../../support/until.js';
import { Farm } from '../../support/farm.js';

const ID = 'd2540dcfcffddbfbd7e60b4aca4d54fb937db71991298fabc253f020a87ff7d4';
/** As bladebit names them on disk, by version 2, by 3, and by 3 with a card. */
const LEFT: Readonly<Record<string, readonly string[]>> = {
  'bladebit-diskplot': [
    ...['t1_0.tmp', 't7_0.tmp', 'map2_0.tmp', 'map7_255.tmp', 'table_2_marks_0.tmp', 'lp_12.tmp'],
    ...['lp_map_0_256.tmp', 'lp_map_1_3.tmp', 'y0_1.tmp', 'index1_63.tmp', 'meta0_0.tmp', 'fx_1_7.tmp'],
  ],
  'bladebit-cudaplot-128': [
    ...['table_l_2.tmp', 'table_r_7.tmp', 'p1y-p3index.tmp', 'p1meta-p3rmap.tmp'],
    ...['p1unsortedx-p1lpairs-p3lp-p3-lmap.tmp'],
  ],
};

function ownerIn(directory: string, plotter: string, plot_id: string | null = ID): TempOwner {
  return {
    ...{ ksize: 32, plot_id, temp: SHIPPED_PLOTTERS.find(({ name }) => name === plotter)?.temp ?? [] },
    ...{ cache1: join(directory, 'a'), cache2: join(directory, 'b'), dest_path: join(directory, 'd') },
  };
}

t.test('what bladebit leaves in its caches goes, and nothing that only looks like it', async (t) => {
  for (const [plotter, names] of Object.entries(LEFT)) {
    const files = Object.fromEntries(names.map((name) => [name, 'x']));
    const others = {
      'lp_backup.tmp': '',
      't1_0.tmp.bak': '',
      'my-t1_0.tmp': '',
      't1_0.tmp~': '',
      't9.tmp': '',
    };
    const own = { [`plot-k32-2021-07-14-22-33-${ID}.plot.tmp`]: '' };
    const directory = t.testdir({
      ...{ a: { ...files, ...others, 'meta1_0.tmp': {} }, b: files, d: { ...files, ...own } },
      precious: '',
    });
    symlinkSync(join(directory, 'precious'), join(directory, 'a', 'table_r_3.tmp'));
    const owner = ownerIn(directory, plotter);
    t.equal((await findTempFiles(owner)).length, 2 * names.length + 1, plotter);
    // Larger than any plot: it is no plot all the same.
    truncateSync(join(directory, 'a', String(names[0])), 200_000_000_000);
    t.same(await removeTempFiles(owner, undefined, true), []);
    t.same(readdirSync(owner.cache1).sort(), ['meta1_0.tmp', 'table_r_3.tmp', ...Object.keys(others)].sort());
    t.same(readdirSync(owner.cache2), []);
    t.same(readdirSync(owner.dest_path).sort(), [...names].sort(), 'no cache, and not alone there');
  }
});

t.test('they go also where the id of the plot was never known, which is told of the others', async (t) => {
  const directory = t.testdir({ a: { 't1_0.tmp': '' }, b: {}, d: {} });
  t.match(await removeTempFiles(ownerIn(directory, 'bladebit-diskplot', null)), [
    /^its plot id was never known/,
  ]);
  t.same(readdirSync(join(directory, 'a')), []);
});

t.test(
  'one that a process has open stays; another of its name that is open elsewhere is another',
  async (t) => {
    const files = { 't1_0.tmp': '', 't2_0.tmp': '' };
    const directory = t.testdir({ a: files, b: {}, d: {}, elsewhere: { ...files } });
    const open = [join(directory, 'a', 't1_0.tmp'), join(directory, 'elsewhere', 't2_0.tmp')].map((path) =>
      openSync(path, 'r'),
    );
    const user = spawn('sleep', ['1000'], { stdio: ['ignore', ...open] });
    const ended = once(user, 'exit');
    for (const file of open) closeSync(file);
    const owner = ownerIn(directory, 'bladebit-diskplot');
    t.same(await removeTempFiles(owner), [
      `${join(directory, 'a', 't1_0.tmp')} stays, because process ${user.pid} has it open; end that, and remove the file`,
    ]);
    t.same(readdirSync(owner.cache1), ['t1_0.tmp']);
    user.kill();
    await ended;
  },
);

t.test('they stay while another plot that may write to them works in the cache', async (t) => {
  const data = t.testdir({ a: { 't1_0.tmp': '' }, b: {}, d: {} });
  const owner = ownerIn(data, 'bladebit-diskplot');
  const plots = plotsIn(data);
  const remove = () => removeOwnTempFiles(plots, { task_id: 'one', attempt: 1 }, owner);
  const other = new PlayedPlot(data, 'other', 'bladebit');
  other.change({ cache1: owner.cache2, cache2: join(data, 'a', '..', 'a'), temp: owner.temp });
  t.same(await remove(), [
    'temp files without a plot id in their names stay: plot other.1 of this machine works there, too',
  ]);
  t.same(readdirSync(owner.cache1), ['t1_0.tmp']);
  writeFileSync(plots.pathOf({ task_id: 'unreadable', attempt: 1 }), '{');
  other.change({ temp: ['plot-{plot_id}.*tmp'] });
  t.match(await remove(), [/stay: whether another plot works there is not known/]);
  plots.remove({ task_id: 'unreadable', attempt: 1 });
  t.same(await remove(), [], 'a plotter that names them by its id does not write to these');
  t.same(readdirSync(owner.cache1), []);
});

/** It fills its cache, and is done when it is told to. */
const SCRIPT = `head -c "$4" /dev/zero > "$1/t1_0.tmp"
until [ -e "$5" ]; do sleep 0.1; done
echo plot > "$2/plot-k18-$3.plot"`;

/** Nearly all that a plot takes there. */
const LEFT_BYTES = Math.ceil(tempBytes(18) * 0.9);

function shellPlotter(farm: Farm): PlotterDeclaration {
  const script = join(farm.directory, 'plotter.sh');
  writeFileSync(script, SCRIPT);
  const go = join(farm.directory, 'go');
  return {
    ...{
      name: 'shell',
      format: 'bladebit',
      temp: ['t{number}_{number}.tmp'],
      fills: ['cache'],
      max_per_cache: 1,
    },
    argv: ['bash', script, '{cache1}', '{dest}', '{plot_id}', String(LEFT_BYTES), go],
  };
}

t.test(
  'what was left counts as room for the next plot, and a plot that has ended leaves nothing',
  async (t) => {
    const farm = await Farm.start(t);
    // A disk of its own for the first cache, just large enough for one plot.
    const size = tempBytes(18) + 1_000_000;
    const taken = () =>
      readdirSync(farm.cache1).reduce((sum, name) => sum + statSync(join(farm.cache1, name)).blocks * 512, 0);
    await farm.supervise(shellPlotter(farm), {
      lookAtDirectory: async (path) => {
        const state = await lookAtDirectory(path);
        if (path === farm.cache1) return { ...state, free: size - taken(), size };
        return path === farm.cache2 ? state : { ...state, fileSystem: -1 };
      },
    });
    const writes = (name: string) => until(`${name} writes`, () => taken() >= LEFT_BYTES);
    // As of a supervisor whose data directory is lost.
    writeFileSync(join(farm.cache1, 't1_0.tmp'), Buffer.alloc(LEFT_BYTES));
    await farm.order('a');
    await farm.reaches('a', 'started');
    await writes('a');
    await farm.order('b');
    t.match((await farm.reaches('b', 'pending')).remarks, /^max_per_cache is 1/);
    await farm.client.stop({ task_id: 'a' });
    t.equal((await farm.reaches('a', 'stopped')).remarks, 'stopped on request');
    await farm.reaches('b', 'started');
    await writes('b');
    farm.goOn();
    await farm.reaches('b', 'finished');
    await until('it is settled', () => farm.records().length === 0);
    t.same(
      farm.files().filter((name) => !name.endsWith('.plot')),
      [],
    );
  },
);
