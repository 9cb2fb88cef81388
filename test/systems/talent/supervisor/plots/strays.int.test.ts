/** Processes that leave their plotter's session and clear their environment: real ones, on a real farm. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { identifyProcess, isAlive, type ProcessIdentity } from '../../../../../src/base/process-identity.js';
import {
  cgroupsOf,
  findCgroupPlace,
  OwnCgroup,
  processesInCgroup,
} from '../../../../../src/processes/cgroup.js';
import { endMarked, ProcessFamily } from '../../../../../src/processes/process-family.js';
import { markOf } from '../../../../../src/processes/records/process-kind.js';
import { PLOTS } from '../../../../../src/systems/talent/machine/plot-record.js';
import { until } from '../../../../support/until.js';
import { wakingClock as clock } from '../../../../support/waking-clock.js';
import { Farm } from '../../support/farm.js';

const { signal } = new AbortController();
const NONE = markOf(PLOTS, '/data/plots/one.1.json');
const CGROUPS = findCgroupPlace();

/** Leaves session and environment behind, and starts one more that has never had either. Prints both pids. */
const LEAVER = `sh -c 'sleep 1000 & echo $$ $!; wait'`;

/** A child of the plotter in a session of its own, without environment: as long as both live, it has its parent. */
const PARENT = `
  const { spawn } = require('node:child_process');
  spawn('setsid', ['--wait', 'env', '-i', ...${JSON.stringify(['sh', '-c', 'sleep 1000 & echo $$ $!; wait'])}], { stdio: 'inherit' });
  setInterval(() => {}, 1000);`;

/** A double fork: nobody is its parent any more when anybody looks. */
const DOUBLE_FORK = `
  const { spawn } = require('node:child_process');
  spawn('sh', ['-c', ${JSON.stringify(`setsid env -i PATH="$PATH" ${LEAVER} & exit 0`)}], { stdio: 'inherit' });
  setInterval(() => {}, 1000);`;

function identify(pid: string | undefined): ProcessIdentity {
  const found = identifyProcess(Number(pid));
  if (found === undefined) throw new Error(`no process ${pid}`);
  return found;
}

function killAtEnd(t: Test, processes: readonly ProcessIdentity[]): void {
  t.teardown(() => {
    for (const one of processes) if (isAlive(one)) process.kill(one.pid, 'SIGKILL');
  });
}

t.test('who left the session is known by its parents, and stays known without them', async (t) => {
  const child = spawn(process.execPath, ['-e', PARENT], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout, 'data');
  const strays = String(line).trim().split(' ').map(identify);
  const plotter = identify(String(child.pid));
  killAtEnd(t, [plotter, ...strays]);
  t.notSame(sessionOf(strays[0]?.pid), sessionOf(plotter.pid));

  const family = new ProcessFamily(plotter);
  const unseen = new ProcessFamily(plotter);
  t.ok(has(family.look(), strays), 'children, and theirs');
  const ended = once(child, 'exit');
  process.kill(plotter.pid, 'SIGKILL');
  await ended;
  t.ok(has(family.look(), strays));
  t.same(unseen.look(), [], 'who was not seen in time is not guessed at');
  await endMarked(NONE, clock, signal, { family });
  t.notOk(strays.some(isAlive));
});

t.test(
  'in a cgroup of its own nobody is lost, whoever their parents are',
  { skip: CGROUPS.directory === undefined ? CGROUPS.reason : false },
  async (t) => {
    const farm = await Farm.start(t);
    await farm.supervise({
      name: 'forker',
      argv: ['{node}', '-e', DOUBLE_FORK],
      ...{ format: 'chiapos', temp: [], fills: [] },
    });
    await farm.order('one');
    await farm.reaches('one', 'started');
    await until('it has forked', () => farm.logOf('one').endsWith('\n'));
    const strays = farm.logOf('one').trim().split(' ').map(identify);
    killAtEnd(t, strays);
    for (const { pid } of strays) {
      t.notMatch(readFileSync(`/proc/${pid}/environ`, 'utf8'), 'OWL_PLOT');
      t.not(sessionOf(pid), farm.recordOf('one').process.pid);
    }
    const { cgroup = '' } = farm.recordOf('one');
    t.ok(has(processesInCgroup(cgroup), strays));
    await farm.client.stop({ task_id: 'one' });
    await farm.reaches('one', 'stopped');
    t.notOk(strays.some(isAlive));
    t.throws(() => readFileSync(join(cgroup, 'cgroup.procs')), { code: 'ENOENT' }, 'and the cgroup is gone');
    t.equal(farm.supervisor?.status().no_cgroups_reason, null);
  },
);

t.test('where cgroups are looked for, on a double of /proc and of the hierarchy', async (t) => {
  const double = (own: string, mounts: string): string => {
    const proc = t.testdir();
    mkdirSync(join(proc, 'self'));
    mkdirSync(join(proc, 'fs', 'unit'), { recursive: true });
    writeFileSync(join(proc, 'fs', 'unit', 'cgroup.procs'), '');
    writeFileSync(join(proc, 'self', 'cgroup'), own);
    writeFileSync(join(proc, 'self', 'mountinfo'), mounts.replaceAll('AT', join(proc, 'fs')));
    return proc;
  };
  const mount = (root: string) => `30 25 0:26 ${root} AT rw,nosuid shared:4 - cgroup2 cgroup2 rw\n`;
  const whole = double(
    '1:name=systemd:/x\n0::/unit\n',
    `22 1 0:5 / /dev rw - devtmpfs none rw\n${mount('/')}`,
  );
  t.same(findCgroupPlace(whole), { directory: join(whole, 'fs', 'unit') });
  const part = double('0::/slice/unit\n', mount('/slice'));
  t.same(findCgroupPlace(part), { directory: join(part, 'fs', 'unit') });
  const cases: [string, string, RegExp][] = [
    ['0::/unit\n', '', /there is no cgroup v2 here/],
    ['4:memory:/unit\n', mount('/'), /there is no cgroup v2 here/],
    ['0::/../unit\n', mount('/'), /can't be seen from here/],
    ['0::/elsewhere\n', mount('/slice'), /can't be seen from here/],
    ['0::/elsewhere\n', mount('/'), /no cgroup was delegated to owl .*ENOENT/],
  ];
  for (const [own, mounts, reason] of cases) t.match(findCgroupPlace(double(own, mounts)), { reason });
  t.equal(
    OwnCgroup.make(NONE, { directory: undefined, reason: 'none' }),
    undefined,
    'plotters start all the same',
  );
  t.equal(OwnCgroup.make(NONE, { directory: join(part, 'missing\0') }), undefined);
});

t.test('a record names no cgroup but that of its plot', async (t) => {
  const own = cgroupsOf(NONE, undefined);
  t.same(cgroupsOf(NONE, '/sys/fs/cgroup/system.slice'), own);
  t.same(cgroupsOf(NONE, '/sys/fs/cgroup'), own);
});

function sessionOf(pid = 0): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]);
}

function has(found: readonly ProcessIdentity[], wanted: readonly ProcessIdentity[]): boolean {
  return wanted.every(({ pid }) => found.some((one) => one.pid === pid));
}
