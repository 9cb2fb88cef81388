/** Command lines as plotters get them, and declarations that can't be meant. */

import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { PACKAGE_ROOT } from '../../../../../src/base/package-root.js';
import { LOG_FORMATS } from '../../../../../src/systems/talent/log-receiver/parsers/index.js';
import {
  type PlotOrder,
  plotIdFor,
} from '../../../../../src/systems/talent/supervisor/plotters/plot-order.js';
import {
  choosePlotter,
  commandFor,
  findExecutable,
  type PlotterDeclaration,
  plotIdSetBy,
  problemsOf,
} from '../../../../../src/systems/talent/supervisor/plotters/plotters.js';
import { SHIPPED_PLOTTERS } from '../../../../../src/systems/talent/supervisor/plotters/shipped-plotters.js';
import { logLines } from '../../../../support/log-lines.js';

const FPK =
  'b0a374845f4f4d6eab62fc4c5e17965d82ad7eee105818e5bd0cfcb46275a16acc4cd30955779bec841a716473416b21';
const PPK =
  'a55d8fdada643a43d86a889c2c746ce848c0e2d00f7c012fc4c6e77d1e2f9f54a99dd38af59f8284f2178b810ecc7a95';
const NODE = process.execPath;
const PLAYER = fileURLToPath(new URL('../../../../../src/systems/talent/player/player.js', import.meta.url));
const RECORDING = join(PACKAGE_ROOT, 'demo', 'madmax-k32.txt');
const CONTRACT = 'xch1u8ll2ztwhseej45d6u2zp9j4mlnzhwseccr0axqws9fl2tyj5u0svdy04y';
const ORDER: PlotOrder = {
  task_id: 'task_1',
  attempt: 1,
  id: 1,
  ksize: 32,
  threads: 4,
  buffer: 3389,
  fpk: FPK,
  ppk: PPK,
  cache1: '/ssd/a',
  cache2: '/ssd/b',
  dest_path: '/farm/1',
};

function shipped(name: string): PlotterDeclaration {
  const found = SHIPPED_PLOTTERS.find((plotter) => plotter.name === name);
  if (found === undefined) throw new Error(`${name} is not shipped`);
  return found;
}

function declared(...argv: PlotterDeclaration['argv']): PlotterDeclaration {
  return { name: 'mine', argv, format: 'chiapos', temp: [], fills: [] };
}

t.test('what is shipped is right, word for word', async (t) => {
  const id = plotIdFor(ORDER);
  const lines = Object.fromEntries(
    SHIPPED_PLOTTERS.map((plotter) => {
      const compression = plotter.name === 'bladebit-cudaplot-128' ? 3 : 0;
      return [plotter.name, commandFor({ ...plotter, compression }, ORDER).join(' ')];
    }),
  );
  t.same(lines, {
    chia: `chia plots create -n 1 -k 32 -r 4 -b 3389 -t /ssd/a -2 /ssd/b -d /farm/1 -x -f ${FPK} -p ${PPK}`,
    chiapos: `ProofOfSpace create -k 32 -r 4 -u 128 -s 65536 -b 3389 -t /ssd/a -2 /ssd/b -d /farm/1 -f plot-k32-${id}.plot -i ${id} -m ${PPK}${FPK}`,
    madmax: `chia_plot -n 1 -k 32 -r 4 -t /ssd/a/ -2 /ssd/b/ -d /farm/1/ -f ${FPK} -p ${PPK}`,
    'madmax-k34': `chia_plot_k34 -n 1 -k 32 -r 4 -t /ssd/a/ -2 /ssd/b/ -d /farm/1/ -f ${FPK} -p ${PPK}`,
    bladebit: `bladebit -n 1 -t 4 -f ${FPK} -p ${PPK} /farm/1`,
    'bladebit-ramplot': `bladebit -n 1 -t 4 -f ${FPK} -p ${PPK} ramplot /farm/1`,
    'bladebit-diskplot': `bladebit -n 1 -t 4 -f ${FPK} -p ${PPK} diskplot -t1 /ssd/a -t2 /ssd/b /farm/1`,
    'bladebit-cudaplot': `bladebit_cuda -n 1 -t 4 -f ${FPK} -p ${PPK} cudaplot /farm/1`,
    'bladebit-cudaplot-128': `bladebit_cuda -n 1 -t 4 -f ${FPK} -p ${PPK} -z 3 cudaplot --disk-128 -t1 /ssd/a -t2 /ssd/b /farm/1`,
    player: `${NODE} ${PLAYER} --log ${RECORDING} --seconds 60 -t /ssd/a -2 /ssd/b -d /farm/1 -i ${id}`,
  });
  for (const file of [PLAYER, RECORDING]) t.ok(existsSync(file), file);
  for (const plotter of SHIPPED_PLOTTERS) {
    t.same(problemsOf(plotter), [], plotter.name);
    t.match(plotter.versions, /\S/, `${plotter.name} says which versions it is for`);
    t.ok(LOG_FORMATS.includes(plotter.format), plotter.name);
  }
});

t.test('docs/configuration.md lists what is shipped, with what it can make', async (t) => {
  const doc = readFileSync(join(PACKAGE_ROOT, 'docs/configuration.md'), 'utf8');
  const rows = [...doc.matchAll(/^\| ([a-z0-9-]+) \| (.*) \|$/gm)].filter(([, name = '']) =>
    SHIPPED_PLOTTERS.some((plotter) => plotter.name === name),
  );
  t.same(
    rows.map(([, name]) => name),
    SHIPPED_PLOTTERS.map(({ name }) => name),
  );
  for (const [, name = '', row = ''] of rows) {
    const { largest_k, k32_gib = {} } = shipped(name);
    if (largest_k !== undefined) t.match(row, `k${largest_k}`, name);
    if (!row.includes('as `'))
      for (const gib of Object.values(k32_gib)) t.match(row, /GiB/, `${name}: ${gib}`);
  }
});

t.test('an order for a k that the plotter can not make is refused before anything is started', async (t) => {
  const command = (name: string, ksize: number) => commandFor(shipped(name), { ...ORDER, ksize });
  t.throws(() => command('bladebit', 33), {
    kind: 'invalid',
    message: 'plotter bladebit makes k32 only, and the order is for k33',
  });
  t.throws(() => command('madmax', 33), { message: /makes plots up to k32 only/ });
  t.match(command('madmax-k34', 34).join(' '), '-k 34');
  t.throws(() => commandFor({ ...declared('p'), smallest_k: 30 }, { ...ORDER, ksize: 29 }), {
    message: 'plotter mine makes plots from k30 on only, and the order is for k29',
  });
});

t.test('a level of compression goes to who can compress, and to nobody else', async (t) => {
  const { logger } = logLines();
  const level = (name: string, compression: number) => ({ ...shipped(name), compression });
  t.match(commandFor(level('bladebit-cudaplot', 5), ORDER).join(' '), '-z 5 cudaplot /farm/1');
  t.equal(choosePlotter('bladebit-ramplot', [level('bladebit-ramplot', 7)], '', logger).compression, 7);
  t.throws(() => choosePlotter('bladebit-ramplot', [level('bladebit-ramplot', 8)], '', logger), {
    message: 'supervisor.compression is 8, and plotter bladebit-ramplot has the levels 1 to 7',
  });
  t.throws(() => choosePlotter('bladebit-cudaplot-128', [level('bladebit-cudaplot-128', 0)], '', logger), {
    message: 'plotter bladebit-cudaplot-128 makes compressed plots only: set supervisor.compression',
  });
  t.throws(() => choosePlotter('chia', [level('chia', 1)], '', logger), {
    message: /plotter chia makes no compressed plots: its command line has no \{compression\}/,
  });
});

t.test('a contract address takes the place of the pool key, and without keys their options go', async (t) => {
  t.match(commandFor(shipped('madmax'), { ...ORDER, ppk: CONTRACT }).slice(-2), ['-c', CONTRACT]);
  t.same(commandFor(shipped('chia'), { ...ORDER, fpk: undefined, ppk: undefined }).slice(-3), [
    '-d',
    '/farm/1',
    '-x',
  ]);
  t.notOk(commandFor(shipped('chiapos'), { ...ORDER, ppk: undefined }).includes('-m'));
  t.throws(() => commandFor(shipped('madmax'), { ...ORDER, fpk: undefined }), {
    message: 'plotter madmax needs fpk, which the order does not give',
  });
});

t.test('a value stays one argument, whatever it holds', async (t) => {
  const cache1 = '/ssd/a b; rm -rf $(HOME) `id` "\'{ksize}';
  t.same(commandFor(declared('p', '-t', '{cache1}', '--x={cache1}/{ksize}'), { ...ORDER, cache1 }), [
    'p',
    '-t',
    cache1,
    `--x=${cache1}/32`,
  ]);
  for (const fpk of ['--help', '-f', 'a b', '', "'"])
    t.throws(() => commandFor(shipped('chia'), { ...ORDER, fpk }), { message: /fpk is neither a key/ }, fpk);
});

t.test(
  'the plot id is ours where the command line sets it, the same every time and another for every attempt',
  async (t) => {
    t.equal(plotIdSetBy(shipped('chia'), ORDER), null);
    const id = plotIdSetBy(shipped('chiapos'), ORDER);
    t.match(id, /^[0-9a-f]{64}$/);
    t.equal(plotIdSetBy(shipped('chiapos'), { ...ORDER }), id);
    t.not(plotIdSetBy(shipped('chiapos'), { ...ORDER, attempt: 2 }), id);
  },
);

t.test('small plots get buckets and stripes that fit them', async (t) => {
  t.match(commandFor(shipped('chiapos'), { ...ORDER, ksize: 18 }).join(' '), '-k 18 -r 4 -u 16 -s 2048');
});

t.test('declarations that can not be meant are told', async (t) => {
  t.match(problemsOf(declared('p', '{size}', ['-f', '{fkp}'])), [/\{size\} is no placeholder/, /\{fkp\}/]);
  t.match(problemsOf(declared(['p'])), [/must begin with the program/]);
});

t.test('a temp pattern fits one plot and nothing that is finished', async (t) => {
  const good = ['plot-{plot_id}.plot.*tmp', 'plot-k{ksize}-*{plot_id}.plot.*tmp', '*{plot_id}.k{ksize}*tmp'];
  t.same(problemsOf({ ...declared('p'), temp: good }), []);
  const bad = [
    ...['*.tmp', '../{plot_id}.tmp', '{plot_id}*', 'k{ksize}.tmp'],
    // The id of a task can be part of another's.
    ...['{task_id}*.tmp', '*{task_id}.tmp', '{task_id}-{plot_id}.tmp'],
  ];
  const problems = problemsOf({ ...declared('p'), temp: bad });
  t.equal(problems.length, bad.length);
  for (const [index, pattern] of bad.entries())
    t.ok(problems[index]?.startsWith(`temp pattern "${pattern}" must`));
});

t.test('names without a plot id are for who makes one plot at a time in a cache', async (t) => {
  const temp = ['t1_0.tmp', 'lp_map_{number}_{number}.tmp'];
  t.same(problemsOf({ ...declared('p'), temp, max_per_cache: 1 }), []);
  for (const max_per_cache of [undefined, 2])
    t.match(problemsOf({ ...declared('p'), temp, max_per_cache }), [
      'temp pattern "t1_0.tmp" has no {plot_id}, so all plots in a cache would share these files: it needs max_per_cache: 1 beside it',
      /^temp pattern "lp_map_/,
    ]);
  const bad = ['t*_0.tmp', '{number}.tmp', '.tmp', 't1/0.tmp', 't{ksize}.tmp', 't1_0.plot', 'tmp/'];
  t.equal(problemsOf({ ...declared('p'), temp: bad, max_per_cache: 1 }).length, bad.length);
  for (const plotter of SHIPPED_PLOTTERS) t.same(problemsOf(plotter), [], plotter.name);
});

t.test('a program is found in PATH or at its place, or named', async (t) => {
  const directory = t.testdir({ bin: { p: '#!/bin/true', data: 'no program', folder: {} } });
  const bin = join(directory, 'bin');
  chmodSync(join(bin, 'p'), 0o755);
  t.equal(findExecutable(declared('p'), `/nowhere::${bin}`), join(bin, 'p'));
  t.equal(findExecutable(declared(join(bin, 'p')), ''), join(bin, 'p'));
  t.equal(findExecutable(declared('{node}'), ''), process.execPath);
  for (const program of ['data', 'folder', 'q'])
    t.throws(() => findExecutable(declared(program), bin), {
      message: `plotter mine: its program ${program} is in no directory of PATH; install it`,
    });
});

t.test('the chosen one must be declared, and missing programs are logged by name', async (t) => {
  const { logger, messages } = logLines();
  const plotters = [declared('/nowhere/p'), { ...declared('/nowhere/q'), name: 'other' }];
  t.equal(choosePlotter('mine', plotters, '', logger).name, 'mine');
  t.same([messages('error').length, messages('info').length], [1, 1]);
  t.throws(() => choosePlotter('yours', plotters, '', logger), {
    message: 'plotter yours is not declared; there are mine, other',
  });
  t.throws(() => choosePlotter('mine', [declared('{p}')], '', logger), {
    message: /^plotter mine: \{p\} is no/,
  });
});
