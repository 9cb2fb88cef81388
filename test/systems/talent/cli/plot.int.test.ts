/** What `owl plot` and `owl supervisor` do with a talent, in one process: refusals, filters, order and limits. */

import t, { type Test } from 'tap';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { inTurns } from '../../../support/in-turns.js';
import { logLines } from '../../../support/log-lines.js';
import { loadTalentConfig, startTalent } from '../../../support/start-talent.js';
import { owl, type Ran } from '../../../support/terminal-double.js';

const PATHS = ['--cache1', '/ssd/tmp', '--dest-path', '/farm/1'];

interface Farm {
  /** Runs a command to its end. */
  (...args: string[]): Promise<Ran>;
  /** HOST:PORT */
  readonly server: string;
}

/** A talent of its own for the test. */
async function startFarm(t: Test): Promise<Farm> {
  const flags = { data: t.testdir(), listen: '127.0.0.1:0' };
  const config = loadTalentConfig({ env: {}, cwd: '/', flags });
  const talent = await startTalent({ config, logger: logLines().logger });
  t.teardown(() => talent.stop());
  const run = (...args: string[]) => owl(args, { env: { OWL_SERVER: talent.address } });
  return Object.assign(run, { server: talent.address });
}

t.test('what the talent refuses ends with 1, its reason on stderr and nothing on stdout', async (t) => {
  const run = await startFarm(t);
  const first = await run('plot', 'create', ...PATHS, '--task-id', 'plot-aa1');
  t.strictSame([first.code, first.stdout], [0, 'plot-aa1\n'], first.stderr);
  await run('plot', 'create', ...PATHS, '--task-id', 'plot-aa2');
  const refusals: [args: string[], reason: RegExp][] = [
    [['plot', 'create', ...PATHS, '--task-id', 'plot-aa1'], /^owl: .*plot-aa1.*exist/],
    [
      ['plot', 'create', '--cache1', 'relative', '--dest-path', '/d'],
      /^owl: .*cache1: must be an absolute path/,
    ],
    [['plot', 'create', ...PATHS, '--dest-type', 'tape'], /^owl: .*dest\.type: must be one of local, nfs/],
    [['plot', 'retry', 'plot-aa1'], /^owl: .*received/],
    [['plot', 'status', 'plot-b'], /^owl: no task has an id that begins with "plot-b"/],
    [['plot', 'stop', 'plot-aa'], /beginning of several ids.*\n {2}plot-aa1\n {2}plot-aa2\n$/],
    [['plot', 'history', 'plot-aa'], /beginning of several ids/],
    [['plot', 'list', '--worker', 'no id'], /^owl: worker_id: must be/],
  ];
  for (const [args, reason] of refusals) {
    const { code, stdout, stderr } = await run(...args);
    t.equal(code, 1, args.join(' '));
    t.match(stderr, reason, args.join(' '));
    t.equal(stdout, '', args.join(' '));
  }
});

t.test('lists are filtered, ordered and limited', async (t) => {
  const run = await startFarm(t);
  for (const n of [1, 2, 3]) {
    await run(
      'plot',
      'create',
      '--cache1',
      `/ssd${n}`,
      '--dest-path',
      '/d',
      '--task-id',
      `t${n}`,
      '--worker-id',
      `w${n}`,
    );
  }
  await run('plot', 'stop', 't2');
  const listed = async (...args: string[]) => {
    const { stdout } = await run('plot', 'list', ...args);
    return stdout
      .split('\n')
      .slice(1, -1)
      .map((line) => line.split(' ')[0]);
  };
  t.strictSame(await listed(), ['t3', 't2', 't1'], 'newest first');
  t.strictSame(await listed('--oldest-first', '--limit', '2'), ['t1', 't2']);
  t.strictSame(await listed('--status', 'stopped'), ['t2']);
  t.strictSame(await listed('--status', 'stopped', '--status', 'received'), ['t3', 't2', 't1']);
  t.strictSame(await listed('--worker', 'w1'), ['t1']);
  t.strictSame(await listed('--cache', '/ssd3'), ['t3']);
  t.strictSame(await listed('--since', '1h', '--until', '2015-01-01'), []);
  t.match((await run('plot', 'list', '--status', 'failed')).stderr, 'no task matches');
  const json = await run('plot', 'list', '--json', '--limit', '2');
  t.match(JSON.parse(json.stdout), [{ task_id: 't3' }, { task_id: 't2', status: 'stopped' }]);
  t.strictSame(await listed('--since', '1h'), ['t3', 't2', 't1']);
  const status = await run('plot', 'status', '--status', 'stopped');
  t.match(status.stdout, /^TASK.*\nt2 +stopped /);
});

t.test('a list longer than a page is complete, in one table and in one JSON document', async (t) => {
  const run = await startFarm(t);
  const ids = Array.from({ length: 1020 }, (_, n) => `plot-${String(n).padStart(4, '0')}`);
  const talent = new PlotManagerClient({ server: run.server });
  t.teardown(() => talent.close());
  const plot_config = { ksize: 32, threads: 2, buffer: 3389, cache1: '/c', dest: { path: '/d' } };
  await inTurns(ids, (task_id) => talent.create({ task_id, plot_config }));

  const lines = (await run('plot', 'list', '--oldest-first')).stdout.trimEnd().split('\n');
  t.equal(lines.filter((line) => line.startsWith('TASK')).length, 1);
  // Long remarks go on in further lines.
  const listed = lines.filter((line) => line.startsWith('plot-')).map((line) => line.split(' ')[0]);
  t.strictSame([...listed].sort(), ids);
  const tasks: unknown = JSON.parse((await run('plot', 'list', '--json', '--limit', '1010')).stdout);
  t.match(
    tasks,
    listed
      .reverse()
      .slice(0, 1010)
      .map((task_id) => ({ task_id })),
  );
});

t.test('supervisors are listed', async (t) => {
  const run = await startFarm(t);
  const none = await run('supervisor', 'list');
  t.strictSame([none.code, none.stdout], [0, '']);
  t.match(none.stderr, 'no supervisor has attached');
  t.strictSame(JSON.parse((await run('supervisor', 'list', '--json')).stdout), []);
});
