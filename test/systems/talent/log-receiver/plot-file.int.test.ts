/** When a file is the finished plot of a task, with real files. */

import { mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock as clock } from '../../../../src/base/clock.js';
import { finalBytes, findPlotFile, placeOf } from '../../../../src/systems/talent/log-receiver/plot-file.js';

const ID = 'ab'.repeat(32);
const { signal } = new AbortController();

function sized(path: string, bytes: number): void {
  writeFileSync(path, '');
  truncateSync(path, bytes);
}

t.test('a file counts under its final name, with the id of its plot and the size of one', async (t) => {
  const directory = t.testdir();
  const look = (plot_id: string | null = ID) =>
    findPlotFile(
      { ksize: 18, plot_id, directories: [join(directory, 'nowhere'), directory], isSized: true },
      { clock, signal },
    );
  const path = join(directory, `plot-k18-2026-11-28-10-00-${ID}.plot`);
  const compressed = path.replace('plot-k18', 'plot-k18-c05');

  t.match(await look(), { file: undefined, why: /ENOENT.*; there is no file of its plot in / });
  sized(`${path}.tmp`, finalBytes(18));
  sized(join(directory, `plot-k18-${'cd'.repeat(32)}.plot`), finalBytes(18));
  t.match(await look(), { file: undefined }, 'neither half a plot nor that of another');
  sized(path, 1_000);
  t.match(await look(), { file: undefined, why: /is no whole plot: it has 1000 bytes/ });
  renameSync(`${path}.tmp`, path);
  t.same(await look(), { file: { path, bytes: finalBytes(18) } });
  sized(path, Math.ceil(finalBytes(18) * 0.85));
  t.match(await look(), { file: undefined, why: /is no whole plot/ }, 'a copy that was cut short');
  renameSync(path, compressed);
  t.match(await look(), { file: { path: compressed } }, 'a compressed one');
  sized(compressed, Math.ceil(finalBytes(18) * 0.15));
  t.match(await look(), { file: undefined }, 'no compression leaves so little');
  t.match(await look(null), { file: undefined, why: /its plot id was never known/ });
  t.match(await look('ab'), { file: undefined, why: /its plot id was never known/ });
});

t.test('a link or a directory is no plot', async (t) => {
  const directory = t.testdir();
  const elsewhere = join(directory, 'elsewhere');
  mkdirSync(elsewhere);
  sized(join(elsewhere, 'x'), finalBytes(18));
  symlinkSync(join(elsewhere, 'x'), join(directory, `plot-k18-${ID}.plot`));
  t.match(
    await findPlotFile(
      { ksize: 18, plot_id: ID, directories: [directory], isSized: false },
      { clock, signal },
    ),
    {
      file: undefined,
    },
  );
});

t.test('the log has the first word on id, directory, k and name', async (t) => {
  const record = { ksize: 32, plot_id: 'told', dest_path: '/farm/1', fills_dest: true };
  t.match(placeOf(record), { ksize: 32, plot_id: 'told', directories: ['/farm/1'], isSized: true });
  const told = { plot_id: ID, dest_dir: '/farm/2', dest_file_name: 'a.plot', ksize: 33 };
  t.same(placeOf(record, told), {
    ...{ ksize: 33, plot_id: ID, directories: ['/farm/1', '/farm/2'], fileName: 'a.plot', isSized: true },
  });
  t.same(placeOf(record, { dest_dir: 'relative' }).directories, ['/farm/1']);
});

t.test('the size counts where the plotter is declared to fill its destination', async (t) => {
  const directory = t.testdir({ 'named-by-its-plotter.plot': 'x', [`plot-k33-1-${ID}.plot`]: '' });
  const record = { ksize: 33, plot_id: ID, dest_path: directory };
  const told = { dest_file_name: 'named-by-its-plotter.plot', finished: true } as const;
  const look = (fills_dest: boolean | undefined, said = {}) =>
    findPlotFile(placeOf({ ...record, ...(fills_dest === undefined ? {} : { fills_dest }) }, said), {
      clock,
      signal,
    });
  t.match(await look(false, told), { file: { bytes: 1 } }, 'the player makes no plot');
  t.match(await look(undefined, told), { file: { bytes: 1 } }, 'an earlier version did not write it down');
  t.match(await look(undefined), { file: undefined });
  t.match(await look(true, told), { file: undefined, why: /no whole plot/ });
  t.match(await look(false), { file: undefined, why: /it has 0 bytes/ }, 'an empty file is none');
  sized(join(directory, `plot-k32-1-${ID}.plot`), finalBytes(32));
  t.match(await look(true), { file: { bytes: finalBytes(32) } }, 'the k in its name is the one it has');
});

t.test('a directory that can not be looked at now is no plot that is missing', async (t) => {
  // A name longer than any may be fails as a broken disk does: for no reason that says the plot is not there.
  const directories = [join('/', 'x'.repeat(300))];
  await t.rejects(findPlotFile({ ksize: 18, plot_id: ID, directories, isSized: true }, { clock, signal }), {
    kind: 'unavailable',
    message: /can't be looked at for its plot/,
  });
});
