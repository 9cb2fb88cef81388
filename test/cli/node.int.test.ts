/** What `owl node` tells of a talent and mends in it. Given: a read model that was damaged, so that events can't be applied. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openDatabase } from '../../src/base/sqlite.js';
import { runTalent } from '../support/running-talent.js';
import { owl, type Ran } from '../support/terminal-double.js';
import { until } from '../support/until.js';

const CREATE = ['plot', 'create', '--cache1', '/ssd/tmp', '--dest-path', '/farm/1', '--task-id'];

interface Farm {
  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ran>;
  /** Changes the database of the talent behind its back. */
  change(sql: string): void;
}

async function startFarm(t: Test): Promise<Farm> {
  const data = join(t.testdir(), 'data');
  const talent = await runTalent(data, { worker_id: 'node-7' });
  t.teardown(() => talent.stop());
  return {
    run: (...args) => owl(args, { env: { OWL_SERVER: talent.address, OWL_DATA: data } }),
    change(sql) {
      const db = openDatabase(join(data, 'owl.db'));
      db.exec(sql);
      db.close();
    },
  };
}

/** Each of these tasks is at revision 2, its row at 0, and so its events 2 and 3 are parked. */
async function startDamagedFarm(t: Test, ...tasks: string[]): Promise<Farm> {
  const farm = await startFarm(t);
  for (const task of tasks) {
    await farm.run(...CREATE, task);
    await farm.run('plot', 'stop', task);
  }
  await farm.run('plot', 'list');
  farm.change("UPDATE plot_tasks SET revision = 0, status = 'received'");
  for (const task of tasks) await farm.run('plot', 'retry', task);
  for (const task of tasks) await farm.run('plot', 'stop', task, '--reason', 'again');
  await untilCaughtUp(farm);
  return farm;
}

async function untilCaughtUp({ run }: Farm): Promise<void> {
  await until('everything is applied or parked', async () => {
    const status: { caught_up?: boolean } = JSON.parse((await run('node', 'status', '--json')).stdout);
    return status.caught_up === true;
  });
}

async function taskStatus({ run }: Farm, task: string): Promise<unknown> {
  return JSON.parse((await run('plot', 'status', task, '--json')).stdout);
}

t.test('a talent that is well', async (t) => {
  const farm = await startFarm(t);
  await farm.run(...CREATE, 't1');
  await untilCaughtUp(farm);
  const { code, stdout, stderr } = await farm.run('node', 'status');
  t.strictSame([code, stderr], [0, '']);
  t.match(stdout, /^worker +node-7$/m);
  t.match(stdout, /^live actors +1$/m);
  t.match(stdout, /^timers +0 pending$/m);
  t.match(stdout, /^read models +hold all that is stored$/m);
  t.match(stdout, /^READER +KIND +READ +LAG +PARKED/m);
  t.match(stdout, /^plot_tasks +projection +100\.0% +none +0 /m);
  t.match(stdout, /^supervisors +projection +100\.0% +none +0 /m);
  t.match(stdout, /^lost_supervisors +reactor /m);
  t.notMatch(stdout, 'mend the cause');
});

t.test('events that could not be applied are told with their error and how many wait behind', async (t) => {
  const { run } = await startDamagedFarm(t, 't1', 't2');
  const { stdout } = await run('node', 'status');
  t.match(stdout, /^plot_tasks +projection +100\.0% +none +4 /m);
  t.match(stdout, '\nplot_tasks parked 4 events; mend the cause, then `owl node redrive plot_tasks`\n');
  t.match(
    stdout,
    /\nstream +plot_task-t1\nevent +revision 2, PlotTaskRetried\nerror +.* revision 0; revision 2 /,
  );
  t.match(stdout, /\ntried +3 times\nparked +\d{4}-.*\nbehind it +1 event of this stream\n/);
  t.match(stdout, /^stream +plot_task-t2$/m);
  t.match(JSON.parse((await run('node', 'status', '--json')).stdout), {
    worker_id: 'node-7',
    readers: [
      {
        name: 'plot_tasks',
        kind: 'projection',
        parked: 4,
        parked_events: [
          { stream: 'plot_task-t1', revision: 2, attempts: 3 },
          { stream: 'plot_task-t2', revision: 2, attempts: 3 },
          { stream: 'plot_task-t1', revision: 3, error: /^waits behind revision 2/ },
          { stream: 'plot_task-t2', revision: 3 },
        ],
      },
      { name: 'supervisors' },
      { kind: 'reactor' },
    ],
  });
});

t.test('redrive applies what is parked once the cause is mended, and says what stays', async (t) => {
  const farm = await startDamagedFarm(t, 't1', 't2');
  const { run, change } = farm;
  t.strictSame(await run('node', 'redrive', 'plot_tasks'), {
    code: 1,
    stdout: 'plot_tasks: 0 applied, 4 still parked\n',
    stderr: 'owl: events stay parked; `owl node status` tells why\n',
  });
  t.match((await run('node', 'status')).stdout, /^tried +4 times$/m);

  change("UPDATE plot_tasks SET revision = 1, status = 'stopped' WHERE task_id = 't1'");
  const stream = ['--stream', 'plot_task-t1'];
  t.strictSame(await run('node', 'redrive', 'plot_tasks', ...stream), {
    code: 0,
    stdout: 'plot_tasks: 2 applied, 2 still parked\n',
    stderr: '',
  });
  t.match(await taskStatus(farm, 't1'), { status: 'stopped', revision: 3, attempt: 2, remarks: 'again' });
  t.equal((await run('node', 'redrive', 'plot_tasks', '--stream', 'plot_task-t2')).code, 1);

  change("UPDATE plot_tasks SET revision = 1, status = 'stopped' WHERE task_id = 't2'");
  const last = await run('node', 'redrive', 'plot_tasks', '--json');
  t.equal(last.code, 0);
  t.strictSame(JSON.parse(last.stdout), { reader: 'plot_tasks', applied: 2, still_parked: 0 });
  t.match(await taskStatus(farm, 't2'), { status: 'stopped', revision: 3 });
  t.notMatch((await run('node', 'status')).stdout, 'mend the cause');
});

t.test('rebuild makes a read model what the events say, and nothing stays parked', async (t) => {
  const farm = await startDamagedFarm(t, 't1');
  const { run } = farm;
  const rebuilt = await run('node', 'rebuild', 'plot_tasks');
  t.strictSame([rebuilt.code, rebuilt.stderr], [0, '']);
  t.match(rebuilt.stdout, /^plot_tasks was rebuilt in [\d.]+s\n$/);
  t.match(await taskStatus(farm, 't1'), { status: 'stopped', revision: 3, remarks: 'again' });
  t.notMatch((await run('node', 'status')).stdout, 'mend the cause');

  const json: unknown = JSON.parse((await run('node', 'rebuild', 'supervisors', '--json')).stdout);
  t.match(json, { projection: 'supervisors', seconds: Number });
});

t.test('a reader that is not there is refused with those that are', async (t) => {
  const { run } = await startFarm(t);
  const redrive = await run('node', 'redrive', 'plots');
  t.strictSame([redrive.code, redrive.stdout], [1, '']);
  t.match(redrive.stderr, /^owl: there is no reader "plots"; there are plot_tasks, supervisors, lost/);
  const rebuild = await run('node', 'rebuild', 'lost_supervisors');
  t.strictSame([rebuild.code, rebuild.stdout], [1, '']);
  t.match(
    rebuild.stderr,
    /^owl: there is no projection "lost_supervisors"; there are plot_tasks, supervisors\n$/,
  );
});
