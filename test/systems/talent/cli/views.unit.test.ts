/** Tasks and their histories as people see them. */

import t from 'tap';
import { plotTaskMachine } from '../../../../machines/talent/plot-task.js';
import { renderTable } from '../../../../src/cli/table.js';
import { textWidth } from '../../../../src/cli/text-width.js';
import { historyColumns, whatChanged } from '../../../../src/systems/talent/cli/history-view.js';
import {
  byInterest,
  changeLine,
  idsToShow,
  TASK_STATUSES,
  taskCard,
  taskColumns,
} from '../../../../src/systems/talent/cli/task-views.js';
import type { PlotTaskStatus } from '../../../../src/systems/talent/wire/messages.js';

const CREATED = new Date(2026, 2, 9, 14, 0, 0).getTime() / 1000;
const NOW = (CREATED + 7384) * 1000;
const ID = 'task_3f2a91b4-7a44-4a0e-9a51-0f6f3a1c7d52';

const RUNNING: PlotTaskStatus = {
  task_id: ID,
  worker_id: '5f1c2d9e-7a44-4a0e-9a51-0f6f3a1c7d52',
  existed: true,
  status: 'running',
  id: 1,
  attempt: 2,
  create_time: CREATED,
  update_time: CREATED + 7000,
  started_time: CREATED + 10,
  plot_pid: 4711,
  log_pid: 4712,
  remarks: 'adopted after a restart of the supervisor',
  plot_details: {
    ksize: 32,
    threads: 4,
    buffer: 3389,
    cache1: '/ssd/tmp',
    cache2: '/ssd/tmp',
    dest_path: '/farm/disk-07',
    dest_type: 'local',
    progress: 33.5,
    stage_now: 1,
    wrote: 108_836_000_000,
    phase_1_status: { time: 5400, cpu_usage: 178.5, stage: 'computing table 4' },
  },
};

function rowsOf(...tasks: PlotTaskStatus[]): { at(width: number): string } {
  return { at: (width) => renderTable(taskColumns(NOW, idsToShow(tasks, width), width), tasks, { width }) };
}

t.test('statuses are those of the machine that can be seen', async (t) => {
  const states = Object.keys(plotTaskMachine.states).filter((state) => state !== 'initialized');
  t.strictSame([...TASK_STATUSES].sort(), states.sort());
});

t.test('the table fits 80 columns with what matters most, and shows more where there is room', async (t) => {
  t.equal(
    rowsOf(RUNNING).at(80),
    'TASK           STATUS    DONE   K     AGE  CACHE     REMARKS\n' +
      'task_3f2a91b4  running  33.5%  32  2h 03m  /ssd/tmp  adopted after a restart of…\n',
  );
  t.match(rowsOf(RUNNING).at(120), / CACHE +DESTINATION +WORKER +REMARKS\n.* the supervisor\n/);
  t.match(rowsOf(RUNNING).at(200), new RegExp(`^TASK.* WORKER .*\n${ID} `), 'wide terminals show whole ids');
  for (const width of [40, 60, 80, 120, 200]) {
    for (const line of rowsOf(RUNNING).at(width).split('\n')) t.ok(textWidth(line) <= width, String(width));
  }
});

t.test('below 80 columns the remarks are the last column to go', async (t) => {
  const titles = (width: number) => rowsOf(RUNNING).at(width).split('\n')[0]?.trim().split(/ +/);
  for (let width = 79; width >= 40; width -= 1) t.ok(titles(width)?.includes('REMARKS'), String(width));
  t.match(rowsOf(RUNNING).at(60), / {2}adopted after a restart /, 'and they have room to say something');
  t.match(rowsOf(RUNNING).at(40), / {2}adopted /);
});

t.test('a card tells everything that is known, and nothing that is not', async (t) => {
  const card = taskCard(RUNNING, { width: 80 });
  const lines = card.split('\n');
  for (const expected of [
    `task         ${ID}`,
    'status       running (attempt 2)',
    'progress     33.5%, stage 1',
    'started      2026-03-09 14:00:10',
    'plotter      process 4711, log receiver 4712',
    'size         k32, 4 threads, 3389 MiB buffer',
    'cache        /ssd/tmp',
    'destination  /farm/disk-07 (local)',
    'wrote        101.4 GiB',
    'PHASE                    TIME     CPU  STAGE',
    '1 forward propagation  1h 30m  178.5%  computing table 4',
  ]) {
    t.ok(lines.includes(expected), expected);
  }
  t.notMatch(card, /finished|memo|farmer|file |copy/);
  t.match(taskCard({ ...RUNNING, exit_code: 0 }, { width: 80 }), 'exit code 0');
  t.match(taskCard({ ...RUNNING, exit_signal: 'SIGKILL' }, { width: 80 }), 'ended by SIGKILL');
  t.notMatch(taskCard({ task_id: 'x', status: 'received' }, { width: 80 }), 'PHASE');
});

t.test('a change is one line, whatever its remarks hold', async (t) => {
  t.equal(
    changeLine({ ...RUNNING, remarks: 'a\nb\u001b[31m' }),
    `2026-03-09 15:56:40  ${ID}  running  33.5%  a b�[31m`,
  );
});

t.test(
  'of interest is what has a process, then what waits, then what is over, the latest first',
  async (t) => {
    const tasks: PlotTaskStatus[] = [
      { task_id: 'old', status: 'finished', id: 1, update_time: 5 },
      { task_id: 'new', status: 'finished', id: 2, update_time: 9 },
      { task_id: 'waits', status: 'received', id: 3 },
      { task_id: 'second', status: 'running', id: 6 },
      { task_id: 'first', status: 'running', id: 5 },
      { task_id: 'failed', status: 'failed', id: 4 },
    ];
    t.strictSame(
      tasks.sort(byInterest).map(({ task_id }) => task_id),
      ['first', 'second', 'waits', 'failed', 'new', 'old'],
    );
  },
);

t.test('what an event changed is told in the units of its fields', async (t) => {
  t.equal(
    whatChanged(
      JSON.stringify({
        task_id: ID,
        started_time: CREATED,
        p1_t2_time: 192,
        p1_t2_cpu: 178.5,
        p1_table_1_now_size: 3_425_151_400,
        progress: 12.5,
        wrote: 2048,
        ksize: 32,
        remarks: '',
        dest_path: '/d',
      }),
    ),
    'started_time 2026-03-09 14:00:00, p1_t2_time 3m 12s, p1_t2_cpu 178.5%, p1_table_1_now_size 3425151400 entries, progress 12.5%, wrote 2.0 KiB, ksize 32, remarks (none), dest_path /d',
  );
  t.equal(whatChanged(undefined), '');
  t.equal(whatChanged('{'), '{', 'what is no JSON is shown as it came');
  t.equal(whatChanged('[1]'), '[1]');
});

t.test('a history is a table of events, and says who it was where there is room', async (t) => {
  const events = [
    { revision: 0, time: CREATED, type: 'PlotTaskReceived', data: '{"ksize":32}', by: 'overlord 10.0.0.7' },
    {
      revision: 10,
      time: CREATED,
      type: 'PlotTaskStopRequested',
      data: '{"remarks":"no room"}',
      by: 'overlord 10.0.0.7',
    },
  ];
  t.equal(
    renderTable(historyColumns(80), events, { width: 80 }),
    'REV  TIME                 EVENT           WHAT CHANGED\n' +
      '  0  2026-03-09 14:00:00  received        ksize 32\n' +
      ' 10  2026-03-09 14:00:00  stop requested  remarks no room\n',
  );
  t.match(renderTable(historyColumns(120), events, { width: 120 }), /BY\n.* overlord 10\.0\.0\.7\n/);
});
