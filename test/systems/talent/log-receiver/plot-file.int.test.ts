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
      { ksize: 18, plot_id, directories: [join(directory, 'nowhere'), directory] },
      { clock, signal },
    );
  const path = join(directory, `plot-k18-2026-11-28-10-00-${ID}.plot`);

  t.match(await look(), { file: undefined, why: /ENOENT.*; there is no file of its plot in / });
  sized(`${path}.tmp`, finalBytes(18));
  sized(join(directory, `plot-k18-${'cd'.repeat(32)}.plot`), finalBytes(18));
  t.match(await look(), { file: undefined }, 'neither half a plot nor that of another');
  sized(path, 1_000);
  t.match(await look(), { file: undefined, why: /is no whole plot: it has 1000 bytes/ });
  renameSync(`${path}.tmp`, path);
  t.same(await look(), { file: { path, bytes: finalBytes(18) } });
  sized(path, Math.ceil(finalBytes(18) * 0.3));
  t.match(await look(), { file: { path } }, 'a compressed one');
  t.match(await look(null), { file: undefined, why: /its plot id was never known/ });
  t.match(await look('ab'), { file: undefined, why: /its plot id was never known/ });
});

t.test('a link or a directory is no plot', async (t) => {
  const directory = t.testdir();
  const elsewhere = join(directory, 'elsewhere');
  mkdirSync(elsewhere);
  sized(join(elsewhere, 'x'), finalBytes(18));
  symlinkSync(join(elsewhere, 'x'), join(directory, `plot-k18-${ID}.plot`));
  t.match(await findPlotFile({ ksize: 18, plot_id: ID, directories: [directory] }, { clock, signal }), {
    file: undefined,
  });
});

t.test('the log has the first word on id and directory', async (t) => {
  const record = { ksize: 32, plot_id: 'told', dest_path: '/farm/1' };
  t.same(placeOf(record), { ksize: 32, plot_id: 'told', directories: ['/farm/1'] });
  t.same(placeOf(record, { plot_id: ID, dest_dir: '/farm/2' }), {
    ...{ ksize: 32, plot_id: ID, directories: ['/farm/1', '/farm/2'] },
  });
  t.same(placeOf(record, { dest_dir: 'relative' }).directories, ['/farm/1']);
});

t.test('a directory that can not be looked at now is no plot that is missing', async (t) => {
  // A name longer than any may be fails as a broken disk does: for no reason that says the plot is not there.
  const directories = [join('/', 'x'.repeat(300))];
  await t.rejects(findPlotFile({ ksize: 18, plot_id: ID, directories }, { clock, signal }), {
    kind: 'unavailable',
    message: /can't be looked at for its plot/,
  });
});
