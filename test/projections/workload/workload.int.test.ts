/** The tables of workloads, and that they are the same however their events come. */

import t from 'tap';
import { workload } from '../../../projections/workload/workload.js';
import type { Database } from '../../../src/base/sql.js';
import type { EventStore, JsonObject } from '../../../src/runtime/event-store/event-store.js';
import { tablesOf } from '../../../src/runtime/read-models/projection.js';
import { collect, propose } from '../../support/events.js';
import { projecting } from '../../support/projecting.js';

type Step = readonly [stream: string, type: string, data: JsonObject];

const MD5 = '0cc175b9-c0f1-b6a8-31c3-99e269772661';
const written = (uid: string, file_name: string, size: string): JsonObject => ({
  ...{ uid, file_name, path: `/out/${file_name}`, size, check_sum: MD5, sha256: 'ab' },
});
const registered = (name: string, more: JsonObject = {}): JsonObject => ({ name, ...more });
const file = (dataset_uid: string, idx: number, file_name: string, more: JsonObject = {}): JsonObject => ({
  ...{ dataset_uid, idx, file_name, path: file_name, declared: false, ...more },
});
const TASK: JsonObject = {
  ...{ executable: 'sort', rank: 2, device_type: 'cpu', mode: 'map', retries: 1, files_per_job: 1 },
  ...{ data_in_uid: 'in', data_out_uid: 'out', data_log_uid: 'log', data_out_url: 'file:///out' },
  ...{ max_failed_jobs: 0, require_complete: true, until_one: false },
};
const job = (seq: number, input: string): JsonObject => ({
  ...{ task: 't', seq, level: 1, executable: 'sort', rank: 2, device_type: 'cpu', mode: 'map', retries: 1 },
  data_out_url: 'file:///out',
  inputs: [{ uid: input, dataset_uid: 'in', idx: seq, file_name: input, path: input, size: '10' }],
  outputs: [{ uid: `o${seq}`, dataset_uid: 'out', idx: seq, file_name: `${input}.j${seq}` }],
  log: { uid: `l${seq}`, dataset_uid: 'log', idx: seq, file_name: `${input}.j${seq}.log` },
});
const claimed = (claim_id: string, attempt: number, cur_retry: number): JsonObject => ({
  ...{ pilot: 'p', session_id: 's', claim_id, attempt, cur_retry, lease_seconds: 60 },
});

const attached = (session_id: string): JsonObject => ({
  ...{ peer_id: 'p', session_id, lease_seconds: 60, attached_time: 12, node_id: 'n', program_version: '1.2' },
  ...{ device_type: 'cpu', slots: 2, memory_mib: 512, executables: ['sort', 'wc'] },
});

const STORY: readonly Step[] = [
  [
    'wl_catalogue-datasets',
    'DatasetsEntered',
    {
      first: 0,
      datasets: [
        { uid: 'in', name: 'run 7', storage_url: 'file:///in' },
        { uid: 'later', name: 'run 8', expected_files: 3 },
      ],
    },
  ],
  ['wl_dataset-in', 'DatasetRegistered', registered('run 7', { storage_url: 'file:///in' })],
  ['wl_dataset-out', 'DatasetRegistered', registered('sorted', { producer_task: 't', produces: 'output' })],
  [
    'wl_dataset-in',
    'DatasetFilesAdded',
    {
      first_idx: 0,
      declared: false,
      files: [
        { name: 'a', path: 'a', size: '10' },
        { name: 'b', path: 'b' },
      ],
    },
  ],
  ['wl_file-fa', 'FileRegistered', file('in', 0, 'a', { size: '10', check_sum: MD5 })],
  ['wl_file-fb', 'FileRegistered', file('in', 1, 'b')],
  ['wl_file-fb', 'FileVerified', { size: '7', check_sum: MD5, sha256: 'cd' }],
  ['wl_task-t', 'TaskRegistered', TASK],
  ['wl_task-t', 'TaskSplitStarted', {}],
  ['wl_task-t', 'TaskJobsPlanned', { chunk: 1, level: 1, first_idx: 0, files: 2, first_seq: 0, jobs: 2 }],
  ['wl_job-j0', 'JobCreated', job(0, 'fa')],
  ['wl_job-j1', 'JobCreated', job(1, 'fb')],
  ['wl_task-t', 'TaskSplitCompleted', { jobs: 2 }],
  [
    'wl_dataset-out',
    'DatasetFilesAdded',
    {
      first_idx: 0,
      declared: true,
      files: [
        { name: 'fa.j0', path: '' },
        { name: 'fb.j1', path: '' },
      ],
    },
  ],
  // As stores of before have it; the other one is registered once its job has ended.
  ['wl_file-o1', 'FileRegistered', file('out', 1, 'fb.j1', { declared: true })],
  ['wl_pilot-p', 'PilotAttached', attached('s')],
  ['wl_pilot-q', 'PilotAttached', attached('r')],
  ['wl_pilot-q', 'PilotDrainRequested', { reason: 'new disks' }],
  ['wl_job-j0', 'JobQueued', { queue: 'cpu', batch: 'b' }],
  ['wl_job-j1', 'JobQueued', { queue: 'cpu', batch: 'b' }],
  ['wl_job-j0', 'JobClaimed', claimed('c', 1, 0)],
  [
    'wl_job-j0',
    'JobStarted',
    { claim_id: 'c', attempt: 1, pid: 7, boot_id: 'b', start_time: '1', inputs_checked: 1 },
  ],
  [
    'wl_job-j0',
    'JobAttemptFailed',
    {
      ...{ claim_id: 'c', attempt: 1, class: 'payload_exit', detail: 'it ended with 1', exit_code: 1 },
      ...{ cur_retry: 1, losses: 0, losses_in_a_row: 0, not_before: 12.5 },
    },
  ],
  ['wl_job-j0', 'JobQueued', { queue: 'cpu', batch: 'c' }],
  ['wl_job-j0', 'JobClaimed', claimed('d', 2, 1)],
  [
    'wl_job-j0',
    'JobStarted',
    { claim_id: 'd', attempt: 2, pid: 8, boot_id: 'b', start_time: '2', inputs_checked: 1 },
  ],
  [
    'wl_job-j0',
    'JobFinished',
    {
      ...{ claim_id: 'd', attempt: 2, exit_code: 0, cpu_seconds: 1.5, max_rss: '4096', wall_seconds: 2 },
      outputs: [written('o0', 'fa.j0.r1', '10')],
      log: written('l0', 'fa.j0.r1.log', '3'),
    },
  ],
  [
    'wl_file-o0',
    'FileRegistered',
    {
      ...{ dataset_uid: 'out', idx: 0, declared: false, file_name: 'fa.j0.r1', path: '/out/fa.j0.r1' },
      ...{ size: '10', check_sum: MD5, sha256: 'ab', job: 'j0', attempt: 2 },
    },
  ],
  [
    'wl_job-j1',
    'JobFailed',
    { class: 'input_missing', detail: 'b is not there', attempt: 1, log: written('l1', 'fb.j1.log', '5') },
  ],
  ['wl_file-fb', 'FileMissing', { job: 'j1', detail: 'b is not there' }],
  ['wl_file-o1', 'FileFailed', { reason: 'its job failed' }],
  ['wl_dataset-out', 'DatasetSealed', { files: 2 }],
  ['wl_dataset-out', 'DatasetClosed', { files_available: 1, files_failed: 1, bytes: '10', complete: false }],
  [
    'wl_pilot-p',
    'PilotReported',
    { session_id: 's', slots_used: 1, rss: '4096', jobs_done: 3, jobs_failed: 1 },
  ],
  ['wl_pilot-p', 'PilotLost', { peer_id: 'p', session_id: 's', lost_time: 99, heard_time: 2e9 }],
  ['wl_pilot-q', 'PilotLost', { peer_id: 'q', session_id: 'r', lost_time: 98 }],
  ['wl_pilot-q', 'PilotReturned', { peer_id: 'q', session_id: 'r', returned_time: 99, node_id: 'm' }],
  ['wl_task-t', 'TaskFailed', { finished: 1, failed: 1, cancelled: 0, reason: '1 job failed' }],
];

async function storeAll(store: EventStore, steps = STORY): Promise<void> {
  for (const [stream, type, data] of steps) await store.append(stream, 'any', [propose(data, { type })]);
}

function allRows(db: Database): Record<string, unknown> {
  return Object.fromEntries(
    tablesOf(workload).map(({ table }) => [table, db.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).all()]),
  );
}

t.test('rows say how datasets, tasks and jobs stand', async (t) => {
  const { store, db, projector } = projecting(t);
  const model = projector(workload);
  await model.start();
  await storeAll(store);
  await model.caughtUpTo(await store.head());
  t.match(allRows(db), {
    dsm_datasets: [
      {
        dataset_id: 1,
        entry: 0,
        uid: 'in',
        status: 'open',
        files: 2,
        files_available: 1,
        files_failed: 1,
        bytes: 10,
      },
      { dataset_id: 2, uid: 'later', status: 'registered', entry: 1, expected_files: 3, files: 0 },
      {
        ...{ dataset_id: 3, uid: 'out', status: 'closed', files: 2, files_available: 1, files_failed: 1 },
        ...{ bytes: 10, complete: 0, producer_task: 't' },
      },
    ],
    dsm_files: [
      { dataset_uid: 'in', idx: 0, uid: 'fa', status: 'available', size: 10, check_sum: MD5 },
      { dataset_uid: 'in', idx: 1, uid: 'fb', status: 'missing', size: 7, remarks: 'b is not there' },
      {
        dataset_uid: 'out',
        idx: 0,
        uid: 'o0',
        file_name: 'fa.j0.r1',
        path: '/out/fa.j0.r1',
        status: 'available',
        size: 10,
        producer_job: 'j0',
      },
      { dataset_uid: 'out', idx: 1, uid: 'o1', file_name: 'fb.j1', status: 'failed' },
    ],
    task_dat: [
      {
        ...{ task_id: 1, uid: 't', state: 'failed', chunks: 1, split_next: 2, is_split: 1, jobs_planned: 2 },
        ...{ jobs_total: 2, jobs_waiting: 0, jobs_running: 0, jobs_finished: 1, jobs_failed: 1 },
        remarks: '1 job failed',
      },
    ],
    job_dat: [
      {
        ...{ job_id: 1, id: 'j0', task_id: 1, state: 'finished', attempt: 2, cur_retry: 1, exit_code: 0 },
        ...{ file_in_id: 1, file_out_id: 2, file_log_id: 3, file_id: 1, parent_job_id: null },
        ...{ cpu_seconds: 1.5, max_rss: 4096, failure_class: null, pilot: 'p', pilot_id: 1 },
      },
      {
        ...{ job_id: 2, id: 'j1', state: 'failed', failure_class: 'input_missing', cur_retry: null },
        ...{ file_in_id: 4, file_out_id: 5, file_log_id: 6 },
      },
    ],
    file_dat: [
      { file_id: 1, type: 'input', status: 'used', job_id: 1, dsm_file: 'fa', size: 10 },
      {
        ...{ file_id: 2, type: 'output', status: 'available', file_name: 'fa.j0.r1', size: 10, attempt: 2 },
        revision: 8,
      },
      { file_id: 3, type: 'log', status: 'available', size: 3 },
      { file_id: 4, type: 'input', status: 'used', job_id: 2 },
      { file_id: 5, type: 'output', status: 'failed' },
      {
        file_id: 6,
        type: 'log',
        status: 'available',
        path: '/out/fb.j1.log',
        size: 5,
        sha256: 'ab',
        attempt: 1,
      },
    ],
    pilot_dat: [
      {
        ...{
          pilot_id: 1,
          name: 'p',
          status: 'lost',
          lost_time: 99,
          last_report_time: 2e9,
          slots: 2,
          slots_used: 1,
          memory_mib: 512,
        },
        ...{ executables: '["sort","wc"]', version: '1.2', node_id: 'n', jobs_done: 3, jobs_failed: 1 },
        metrics: '{"load":null,"rss":4096,"disk_free":null}',
      },
      { pilot_id: 2, name: 'q', status: 'draining', lost_time: null, node_id: 'm', remarks: 'new disks' },
    ],
  });
});

t.test('they are the same one by one, all at once, and told again', async (t) => {
  const { store, db, projector } = projecting(t);
  const model = projector(workload);
  await model.start();
  for (const step of STORY) {
    await storeAll(store, [step]);
    await model.caughtUpTo(await store.head());
  }
  const rows = allRows(db);
  await model.rebuild();
  t.strictSame(allRows(db), rows, 'all at once');

  const writer = workload.writer(
    db,
    'task_dat',
    ...tablesOf(workload)
      .slice(1)
      .map(({ table }) => table),
  );
  const events = await collect(store.readAll());
  db.transaction(() => writer.apply(events));
  t.strictSame(allRows(db), rows, 'what is in the rows already changes nothing');
});

t.test('a hole in a stream is an error, and so is a file without a place', async (t) => {
  const { store, db, projector } = projecting(t);
  const model = projector(workload);
  await model.start();
  await storeAll(store, STORY.slice(0, 4));
  await model.caughtUpTo(await store.head());
  const writer = workload.writer(
    db,
    'task_dat',
    ...tablesOf(workload)
      .slice(1)
      .map(({ table }) => table),
  );
  const [stored] = (
    await store.append('wl_dataset-in', 'any', [propose({ files: 2 }, { type: 'DatasetSealed' })])
  ).events;
  await model.caughtUpTo(await store.head());
  if (stored === undefined) throw new Error('nothing was stored');
  t.throws(
    () => writer.apply([{ ...stored, revision: 9 }]),
    /shows revision 2, and DatasetSealed is revision 9/,
  );
  const nowhere = {
    ...stored,
    stream: 'wl_file-x',
    revision: 0,
    type: 'FileRegistered',
    data: file('in', 7, 'z'),
  };
  t.throws(() => writer.apply([nowhere]), /in has no place 7 for wl_file-x/);
});
