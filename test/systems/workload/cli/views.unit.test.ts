/** Datasets, tasks, jobs and pilots as people see them: within 80 columns, with what matters, and nothing that moves the cursor. */

import t from 'tap';
import { historyColumns } from '../../../../src/cli/history-view.js';
import { type Column, renderTable } from '../../../../src/cli/table.js';
import { textWidth } from '../../../../src/cli/text-width.js';
import { brokerLine, brokerPage } from '../../../../src/systems/workload/cli/broker.js';
import {
  datasetCard,
  datasetColumns,
  fileColumns,
} from '../../../../src/systems/workload/cli/dataset-view.js';
import { HISTORY_WORDS } from '../../../../src/systems/workload/cli/history.js';
import { jobCard, jobColumns } from '../../../../src/systems/workload/cli/job-view.js';
import { reasons } from '../../../../src/systems/workload/cli/job-why.js';
import { pilotCard, pilotColumns } from '../../../../src/systems/workload/cli/pilot-view.js';
import { page, queueOf } from '../../../../src/systems/workload/cli/status.js';
import { storageDirectory, storageUrl } from '../../../../src/systems/workload/cli/storage-place.js';
import { taskCard, taskColumns, taskLine } from '../../../../src/systems/workload/cli/task-view.js';
import type { BrokerStatus } from '../../../../src/systems/workload/wire/broker-messages.js';
import type { Dataset, DatasetFile } from '../../../../src/systems/workload/wire/dataset-messages.js';
import type { Job, Pilot, Task } from '../../../../src/systems/workload/wire/messages.js';

const NOW_MS = 1_700_000_000_000;
const ago = (seconds: number) => NOW_MS / 1000 - seconds;
const uid = (beginning: string) => `${beginning}-0000-4000-8000-000000000000`;

const DATASET: Dataset = {
  ...{ dataset_id: 3, uid: uid('0cc91157'), name: 'run 7', status: 'sealed', files: 12, files_available: 9 },
  ...{ files_failed: 1, expected_files: 12, bytes: 5_000_000, create_time: ago(90), revision: 4 },
  ...{ storage_url: 'file:///data/run-7', remarks: 'waits for 2 files that jobs are to write' },
};
const FILE: DatasetFile = {
  ...{ idx: 0, file_name: 'event-display-of-a-very-long-run-0000000001.root', status: 'corrupt', size: 4096 },
  ...{ check_sum: uid('d41d8cd9'), remarks: 'has 4095 bytes, not 4096' },
};
const TASK: Task = {
  ...{ task_id: 7, uid: uid('b63b8f39'), name: 'reco', state: 'running', held: true, executable: 'reco' },
  ...{ args: '--fast', rank: 5, device_type: 'cpu', mode: 'map', files_per_job: 1, require_complete: true },
  ...{
    jobs_total: 24,
    jobs_finished: 6,
    jobs_running: 2,
    jobs_waiting: 15,
    jobs_failed: 1,
    create_time: ago(200),
  },
  remarks: 'is held: the disk is full; 15 of 24 jobs wait',
};
const JOB: Job = {
  ...{
    job_id: 120,
    uid: uid('97e88cfc'),
    task_id: 7,
    task: uid('b63b8f39'),
    seq: 6,
    level: 1,
    state: 'queued',
  },
  ...{ executable: 'reco', device_type: 'cpu', mode: 'map', retries: 3, cur_retry: 1, attempt: 3, losses: 1 },
  ...{ failure_class: 'payload_exit', exit_code: 2, create_time: ago(190), queued_time: ago(61) },
  remarks: 'waits for a slot: 8 of 8 are busy, 4 jobs are before it',
};
/** As a node tells it; one job is none of those that the pilot has. */
const SAMPLE = {
  ...{ time: ago(75), slots_used: 2, jobs_done: 40, jobs_failed: 2, load: 1.5, rss: 104_857_600 },
  disk_free: 79_883_513_856,
  jobs: [
    { job: uid('97e88cfc'), phase: 'running', cpu: 99.6, rss: 52_428_800, log_bytes: 2048 },
    { job: uid('0b00b135'), phase: 'storing', cpu: null, rss: null, log_bytes: null },
  ],
};
const PILOT: Pilot = {
  ...{
    pilot_id: 1,
    name: 'shed-3-cpu',
    status: 'lost',
    device_type: 'cpu',
    slots: 4,
    slots_used: 4,
    pid: 77,
  },
  ...{ host: 'shed-3.farm.example', executables: ['reco', 'hadd'], jobs_done: 40, jobs_failed: 2 },
  ...{ last_report_time: ago(75), lease_seconds: 60, remarks: 'silent for 1m 15s' },
  metrics: JSON.stringify(SAMPLE),
};

const NUMBERS = new Map([[uid('97e88cfc'), 120]]);

function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string {
  return renderTable(columns, rows, { width });
}

t.test('tables fit where they are shown, and the last that goes is why', async (t) => {
  for (const width of [40, 60, 80, 120, 200]) {
    const tables = [
      table(datasetColumns(NOW_MS, [DATASET], width), [DATASET], width),
      table(fileColumns(width), [FILE], width),
      table(taskColumns(NOW_MS, [TASK], width), [TASK], width),
      table(jobColumns(NOW_MS, [JOB], width), [JOB], width),
      table(pilotColumns(NOW_MS, width), [PILOT], width),
      datasetCard(DATASET, { width }),
      taskCard(TASK, { width }),
      jobCard(JOB, [{ type: 'input', file_name: FILE.file_name ?? '', status: 'used', size: 1 }], { width }),
      pilotCard(PILOT, NUMBERS, { width }),
      page(stateOf([TASK], [PILOT]), NOW_MS, { width }),
    ];
    for (const text of tables)
      t.strictSame(
        text.split('\n').filter((line) => textWidth(line) > width),
        [],
        `${width}`,
      );
  }
  t.match(
    table(taskColumns(NOW_MS, [TASK], 80), [TASK], 80),
    /^ *7 .*running, held .*6\/24 .*is held: the disk is full;/m,
  );
  t.match(table(jobColumns(NOW_MS, [JOB], 80), [JOB], 80), /^ *120 .*queued .*waits for a slot/m);
});

t.test('a card says all that is known', async (t) => {
  const task = taskCard(TASK, { width: 80 });
  t.match(task, /^status +running, held$/m);
  t.match(task, /^runs +reco --fast$/m);
  t.match(task, /^mode +map, 1 file a job$/m);
  t.match(task, /^jobs +6 of 24 finished, 2 running, 15 waiting, 1 failed$/m);
  const job = jobCard(JOB, [], { width: 80 });
  t.match(job, /^attempts +3, 1 of them lost with the machine; 2 more if it fails by itself$/m);
  t.match(job, /^failure +payload_exit \(exit code 2\)$/m);
  t.match(datasetCard(DATASET, { width: 80 }), /^files +12 of 12 expected, 9 there, 1 failed$/m);
  t.match(
    datasetCard({ ...DATASET, status: 'closed', complete: false }, { width: 80 }),
    /^status +closed, not complete$/m,
  );
  const pilot = pilotCard(PILOT, NUMBERS, { width: 80 });
  t.match(pilot, /^may run +reco, hadd$/m);
  t.match(pilot, /^load +1\.50\nmemory +100\.0 MiB, its jobs included\ndisk free +74\.4 GiB$/m);
  t.match(
    pilot,
    /^ +JOB +PHASE +CPU +MEMORY +LOG\n +120 +running +99\.6% +50\.0 MiB +2\.0 KiB\n0b00b135 +storing/m,
  );
  t.notMatch(pilot, /[{}]/, 'nothing is shown as JSON');
  for (const metrics of ['no JSON', '[]', '{"load":"high","jobs":7}'])
    t.match(pilotCard({ ...PILOT, metrics }, NUMBERS, { width: 80 }), /^lease +1m 00s\n(?!.*load)/m);
});

t.test('why is said in sentences', async (t) => {
  t.strictSame(reasons(JOB, TASK, NOW_MS), [
    'job 120 is queued for 1m 01s: waits for a slot: 8 of 8 are busy, 4 jobs are before it',
    'its last failure: payload_exit (exit code 2)',
    'attempts: 3, 1 of them lost with the machine; 2 more if it fails by itself',
    'its task 7 is running, held: is held: the disk is full; 15 of 24 jobs wait',
  ]);
  const ended = { time_start: ago(50), time_end: ago(20), pilot: 'shed-3-cpu' };
  t.strictSame(reasons({ job_id: 1, state: 'finished', attempt: 1, ...ended }, undefined, NOW_MS), [
    'job 1 is finished on shed-3-cpu, after 30s',
  ]);
  t.strictSame(reasons({ job_id: 2, state: 'created', create_time: ago(5) }, undefined, NOW_MS), [
    'job 2 is created, not queued yet, for 5s',
  ]);
  t.strictSame(reasons({ job_id: 3, state: 'cancelled' }, undefined, NOW_MS), ['job 3 is cancelled']);
});

t.test('a change is one line', async (t) => {
  t.match(
    taskLine(TASK, NOW_MS),
    /^[-\d]+ [:\d]+ {2}task 7 {2}reco {2}running, held {2}6 of 24 jobs {2}2 running {2}1 failed {2}is held: /,
  );
});

t.test('the page counts what waits by device, and says where nobody is there to run it', async (t) => {
  const waiting: Task = { ...TASK, device_type: 'gpu', jobs_running: 0, held: false };
  const there: Pilot = { ...PILOT, status: 'active' };
  const text = page(stateOf([TASK, waiting], [there]), NOW_MS, { width: 80 });
  t.match(text, /^cpu +15 jobs waiting, 2 running, 4 of 4 slots of 1 pilot busy$/m);
  t.match(text, /^gpu +15 jobs waiting, 0 running, no pilot is there$/m);
  t.match(text, /^task 7 +running +is held: the disk is full; 15 of 24 jobs wait$/m);
  t.match(text, /^job 120 +queued +waits for a slot: 8 of 8/m);
  const empty = page({ ...stateOf([], []), jobs: [] }, NOW_MS, { width: 80 });
  t.match(empty, 'no pilot is there; `owl workload pilot run` runs one');
  t.match(empty, 'no task is under way');
});

const BROKER: BrokerStatus = {
  ...{ configured: true, address: 'amqp://farm-node@rabbit-7.farm.example.org:5672/farm', connected: true },
  ...{
    since: ago(60),
    attempts: 0,
    version: 'RabbitMQ 3.10.8',
    queue_type: 'classic',
    node: uid('0cc91157'),
  },
  queues: [
    { name: 'owl.pilot.events', messages: 2, consumers: 1, unacknowledged: 3 },
    { name: 'owl.jobs.dead', messages: 1, consumers: 0, dead: true },
    { name: 'owl.events.dead', problem: 'it is not there', dead: true },
  ],
  buried: [{ queue: 'owl.events.dead', reason: 'not_json', count: 4 }],
};

t.test('how a broker stands is said within the width, with why it is away and how to have one', async (t) => {
  const away = {
    ...BROKER,
    connected: false,
    queues: [],
    attempts: 3,
    problem: 'the broker is away: refused',
  };
  for (const status of [BROKER, away, { configured: false }])
    for (const width of [60, 80, 200])
      t.strictSame(
        brokerPage(status, { width })
          .split('\n')
          .filter((line) => textWidth(line) > Math.max(width, status.configured ? 0 : 200)),
        [],
      );
  const text = brokerPage(BROKER, { width: 80 });
  t.match(text, /^connected +yes, since \d/m);
  t.match(text, /^pilots heard +by one of the nodes/m);
  t.match(text, /^owl\.pilot\.events +2 +3 +1 +-$/m);
  t.match(text, /^owl\.jobs\.dead +1 +- +0 +dead letters, for people$/m);
  t.match(text, /^owl\.events\.dead +- +- +- +it is not there$/m);
  t.match(text, /^owl\.events\.dead +not_json +4$/m);
  t.match(brokerPage({ ...BROKER, heard_by: 'n' }, { width: 80 }), /^pilots heard +by node n$/m);
  t.match(brokerPage(away, { width: 80 }), /^connected +no, tried 3 times: the broker is away: refused$/m);
  t.match(brokerPage({}, { width: 80 }), /^no broker is configured.*workload\.broker of the node/);
  t.match(brokerLine(BROKER), /^connected to amqp:.* since .*, 1 dead letter$/);
  t.equal(brokerLine(away), 'the broker is away: refused');
});

t.test('a history shows uids by their beginning, sizes as sizes, and files by name', async (t) => {
  const data = JSON.stringify({
    ...{
      job: uid('97e88cfc'),
      claim_id: uid('5f8b8aa3'),
      outputs: [{}, {}],
      log: { file_name: 'a.log', size: '33' },
    },
    ...{ max_rss: '46743552', wall_seconds: 0.7, start_time: '5742648', fail_at: ago(0), detail: '' },
  });
  const events = [{ revision: 6, type: 'JobAttemptFailed', time: ago(1), data, by: '' }];
  const text = renderTable(historyColumns(400, HISTORY_WORDS.job), events, { width: 400 });
  t.match(
    text,
    /attempt failed +claim_id 5f8b8aa3, outputs 2, log a\.log, max_rss 44\.6 MiB, wall_seconds 0\.7s, /,
  );
  t.match(text, /start_time 5742648, fail_at [-\d]{10} [:\d]{8}, detail \(none\)/);
});

t.test('a directory stands for its URL, and a URL for itself', async (t) => {
  const here = { cwd: '/home/me' };
  t.equal(storageUrl(here, 'a b'), 'file:///home/me/a%20b');
  t.equal(storageUrl(here, '/data'), 'file:///data');
  t.equal(storageUrl(here, 'file:///x/../y'), 'file:///x/../y');
  t.equal(storageUrl(here, 'http://host/x'), 'http://host/x');
  t.equal(storageDirectory('file:///home/me/a%20b'), '/home/me/a b');
  for (const url of ['http://host/x', 'file://host/x', 'no url'])
    t.throws(() => storageDirectory(url), { kind: 'refused', message: /no directory of this machine/ }, url);
});

function stateOf(tasks: readonly Task[], pilots: readonly Pilot[]) {
  const queues = ['cpu', 'gpu'].map((device) => queueOf(device, tasks, pilots));
  return { switched_off: [], queues, tasks, pilots, failed: [], series: [], broker: undefined, jobs: [JOB] };
}
