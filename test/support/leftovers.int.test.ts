/** What farms and nodes look for when they end is found: a check that sees nothing checks nothing. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nothingIsLeft } from './leftovers.js';
import { PlayedPlot } from './plotted.js';

const SHORT_MS = 100;

t.test('processes, and files in the data directory', async (t) => {
  const directory = t.testdir({ data: { plots: {}, 'keeper.lock': '' } });
  const data = join(directory, 'data');
  const place = { data, mark: directory };
  await nothingIsLeft(place, SHORT_MS);

  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', directory]);
  await t.rejects(nothingIsLeft(place, SHORT_MS), { message: `left behind: process ${child.pid}: ` });
  child.kill('SIGKILL');
  await once(child, 'exit');

  for (const file of ['plots/a.1.json.4711.tmp', 'log-receiver.json', 'supervisor.sock', 'core']) {
    writeFileSync(join(data, file), '');
    await t.rejects(nothingIsLeft(place, SHORT_MS), { message: file }, file);
    rmSync(join(data, file));
  }
  await nothingIsLeft(place, SHORT_MS);
});

t.test('a plot that is not settled needs its process and its keeper', async (t) => {
  const directory = t.testdir();
  const data = join(directory, 'data');
  mkdirSync(data);
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', directory]);
  const plot = new PlayedPlot(data, 'a', 'chiapos');
  // Where it goes is no part of a machine's directory.
  rmSync(join(data, 'farm'), { recursive: true });
  plot.change({ process: { pid: child.pid ?? 0, boot_id: 'boot', start_time: '1' } });
  writeFileSync(join(data, 'keeper.sock'), '');
  const place = { data, mark: directory };
  await nothingIsLeft(place, SHORT_MS);
  plot.remove();
  await t.rejects(nothingIsLeft(place, SHORT_MS), { message: /process .*; .*keeper\.sock$/ });
  child.kill('SIGKILL');
  await once(child, 'exit');
});
