/** A dataset is cancelled: its tasks first, each down to its last job, and what reads their outputs too. */

import { randomUUID } from 'node:crypto';
import t from 'tap';
import { cancelling } from '../../../../../src/systems/workload/service/datasets/cancel-datasets.js';
import { datasetIdOf } from '../../../../../src/systems/workload/service/ids.js';
import { job } from '../../../../../src/systems/workload/service/jobs/job-commands.js';
import { STORES } from '../../../../support/both-stores.js';
import { until } from '../../../../support/until.js';
import { type InnerClaim, InnerPilot } from '../../support/inner-pilot.js';
import {
  embedded,
  inputOf,
  refusalOf,
  stored,
  submit,
  type TaskNode,
  taskNode,
  untilJobs,
  untilState,
} from '../tasks/task-world.js';

/** The jobs of a task, granted. */
async function granted(node: TaskNode, pilot: InnerPilot, task: string): Promise<InnerClaim[]> {
  const jobs = await node.rows(
    'SELECT id FROM job_dat WHERE task_id = (SELECT task_id FROM task_dat WHERE uid = ?) ORDER BY seq',
    task,
  );
  const claims: InnerClaim[] = [];
  for (const { id } of jobs) {
    await pilot.queue(String(id));
    claims.push(await pilot.claim(String(id)));
  }
  return claims;
}

async function statusOf(node: TaskNode, dataset: string): Promise<unknown> {
  return (await node.row('SELECT status FROM dsm_datasets WHERE uid = ?', dataset))['status'];
}

const untilStatus = (node: TaskNode, dataset: string, status: string) =>
  until(`dataset ${dataset} is ${status}`, async () => (await statusOf(node, dataset)) === status);

for (const [store, open] of Object.entries(STORES))
  t.test(`on ${store} a dataset is aborted when nothing of its tasks runs any more`, async (t) => {
    t.testdir();
    const node = await taskNode(t, await open(t));
    const pilot = await new InnerPilot(node.context, 'p1').attach();
    const input = await inputOf(node, 2, { sealed: false });
    const [running, waiting] = [await submit(node, input), await submit(node, input, { executable: 'wc' })];
    await untilJobs(node, running, 2);
    await untilJobs(node, waiting, 2);
    const [first, second] = await granted(node, pilot, running);
    if (first === undefined || second === undefined) throw new Error('two jobs');
    await pilot.started(first);
    const order = { uid: input, reason: 'wrong run', command_id: 'c-1' };
    t.match(await node.ask('dataset_cancel', order), { status: 'cancelling', remarks: 'wrong run' });
    t.match(await node.ask('dataset_cancel', order), { status: 'cancelling' }, 'sent again');
    t.match(await refusalOf(submit(node, input)), { kind: 'refused', message: /was cancelled: wrong run/ });
    await untilState(node, waiting, 'cancelled');
    t.match(await refusalOf(node.ask('dataset_add', { uid: input, files: [{ file_name: 'x' }] })), {
      reason: 'dataset_sealed',
    });
    await pilot.endCancelled(first);
    await node.runtime.readYourWrites();
    t.equal(await statusOf(node, input), 'cancelling', 'the other one runs');
    await pilot.endCancelled(second);
    await untilState(node, running, 'cancelled');
    await untilStatus(node, input, 'aborted');
    for (const task of [running, waiting]) {
      t.match(await node.row('SELECT remarks FROM task_dat WHERE uid = ?', task), {
        remarks: /^its input input .* is cancelled: wrong run$/,
      });
      for (const product of ['output', 'log'] as const)
        await untilStatus(node, datasetIdOf(task, product), 'aborted');
    }
    const files = await node.rows('SELECT DISTINCT status FROM dsm_files WHERE dataset_uid = ?', input);
    t.match(files, [{ status: 'available' }], 'the input is untouched');
    t.match(await node.ask('dataset_cancel', { uid: input }), { status: 'aborted' }, 'again changes nothing');
  });

/** A job of no task, as somebody's order has it. */
async function single(node: TaskNode, dataset: string): Promise<string> {
  const { uid: file_uid, ...file } = await node.row(
    'SELECT uid, dataset_uid, idx, file_name, path FROM dsm_files WHERE dataset_uid = ? AND idx = 0',
    dataset,
  );
  const uid = randomUUID();
  const written = (name: string) => ({ uid: randomUUID(), dataset_uid: '', idx: 0, file_name: name });
  const input = { uid: String(file_uid), dataset_uid: dataset, idx: 0 };
  const data = {
    ...{ seq: 0, level: 1, executable: 'sort', rank: 0, device_type: 'cpu', mode: 'map', retries: 3 },
    ...{ data_out_url: 'file:///out', outputs: [written('a.j0')], log: written('a.log') },
    inputs: [{ ...input, file_name: String(file['file_name']), path: String(file['path']) }],
  } as const;
  await node.runtime.system.execute(job, uid, { decide: () => [{ type: 'JobCreated', data }] });
  return uid;
}

for (const [store, open] of Object.entries(STORES))
  t.test(`on ${store} single jobs are cancelled with what they read, and waited for`, async (t) => {
    t.testdir();
    const node = await taskNode(t, await open(t));
    const pilot = await new InnerPilot(node.context, 'p1').attach();
    const held: { readonly input: string; readonly claim: InnerClaim }[] = [];
    for (let i = 0; i < 3; i++) {
      const input = await inputOf(node, 1, { sealed: false });
      const uid = await single(node, input);
      await pilot.queue(uid);
      held.push({ input, claim: await pilot.claim(uid) });
    }
    const other = await single(node, await inputOf(node, 1, { sealed: false }));
    const waiting = await single(node, held[0]?.input ?? '');
    for (const { input } of held)
      t.match(await node.ask('dataset_cancel', { uid: input, reason: 'wrong' }), { status: 'cancelling' });
    for (const { claim } of held) {
      const { context, value } = await pilot.stateOf(claim.job);
      t.match({ value, context }, { value: 'cancelling' });
    }
    t.match(await pilot.stateOf(waiting), { value: 'cancelled' }, 'at once, for it had not begun');
    t.match(await pilot.stateOf(other), { value: 'created' }, 'what reads another one goes on');
    const pages: unknown[] = [];
    for await (const { uid } of cancelling(node.context, 2)) pages.push(uid);
    t.strictSame(
      pages,
      held.map(({ input }) => input),
      'none is left out, however many there are',
    );
    for (const { input, claim } of held) {
      t.equal(await statusOf(node, input), 'cancelling');
      await pilot.endCancelled(claim);
      await untilStatus(node, input, 'aborted');
    }
  });

t.test(
  'who sends an order again gets its first answer, though nothing of the dataset was changed',
  async (t) => {
    t.testdir();
    const node = await taskNode(t, await embedded(t));
    const pilot = await new InnerPilot(node.context, 'p1').attach();
    const input = await inputOf(node, 2);
    const [task, alone] = [await submit(node, input), await single(node, input)];
    await untilJobs(node, task, 2);
    await untilStatus(node, input, 'closed');
    const order = { uid: input, reason: 'wrong', command_id: 'c-9' };
    t.match(await node.ask('dataset_cancel', order), { status: 'closed' });
    await untilState(node, task, 'cancelled');
    t.match(await pilot.stateOf(alone), { value: 'cancelled' });
    t.match(
      await node.ask('dataset_cancel', order),
      { status: 'closed' },
      'nothing is left to do, and it is no refusal',
    );
    t.match(await refusalOf(node.ask('dataset_cancel', { ...order, reason: 'other' })), { kind: 'exists' });
    t.match(await refusalOf(node.ask('dataset_cancel', { ...order, command_id: 'c-10' })), {
      kind: 'refused',
    });

    const first = await submit(node, await inputOf(node, 1));
    const written = { uid: datasetIdOf(first, 'output'), command_id: 'c-9' };
    await node.ask('dataset_cancel', written);
    await untilState(node, first, 'cancelled');
    await untilStatus(node, written.uid, 'aborted');
    t.match(await node.ask('dataset_cancel', written), { status: 'aborted' });
    t.match(await refusalOf(node.ask('dataset_cancel', { ...written, reason: 'other' })), { kind: 'exists' });
  },
);

t.test('of a closed dataset the tasks are cancelled, and it stays closed', async (t) => {
  t.testdir();
  const node = await taskNode(t, await embedded(t));
  const input = await inputOf(node, 1);
  const task = await submit(node, input);
  await untilJobs(node, task, 1);
  await untilStatus(node, input, 'closed');
  t.match(await node.ask('dataset_cancel', { uid: input, reason: 'wrong' }), { status: 'closed' });
  await untilState(node, task, 'cancelled');
  t.match(await refusalOf(node.ask('dataset_cancel', { uid: input })), {
    ...{ kind: 'refused', message: /which no living task or job reads, is closed, for ever$/ },
  });
});

t.test(
  'what a task writes is cancelled with the task, and with it what reads it, through every level',
  async (t) => {
    t.testdir();
    const node = await taskNode(t, await embedded(t));
    const pilot = await new InnerPilot(node.context, 'p1').attach();
    const first = await submit(node, await inputOf(node, 3));
    await untilJobs(node, first, 3);
    const [done, ...others] = await granted(node, pilot, first);
    if (done === undefined) throw new Error('three jobs');
    await pilot.finished(done);
    const output = datasetIdOf(first, 'output');
    const begun = await submit(node, output);
    await untilJobs(node, begun, 1);
    const held = await submit(node, output, { mode: 'merge' });
    await node.ask('task_hold', { id: held });
    const beyond = await submit(node, datasetIdOf(begun, 'output'));
    const [reading] = await granted(node, pilot, begun);
    if (reading === undefined) throw new Error('a job that reads what was written');
    await node.ask('task_cancel', { id: first, reason: 'wrong' });
    for (const claim of others) await pilot.endCancelled(claim);
    await untilState(node, first, 'cancelled');
    await untilStatus(node, output, 'aborted');
    t.match(await untilState(node, held, 'failed'), { remarks: /^its input output of task .* was aborted$/ });
    await until('its job is to end', async () => (await pilot.stateOf(reading.job)).value === 'cancelling');
    t.equal((await node.ask('task_status', { id: begun }))['state'], 'cancelling');
    await pilot.cancelled(reading);
    t.match(await untilState(node, begun, 'cancelled'), {
      remarks: /^its input output of task .* was aborted/,
    });
    t.match(await untilState(node, beyond, 'failed'), { remarks: /was aborted$/ });
    await until('what was written is discarded', async () => {
      const rows = await node.rows('SELECT DISTINCT status FROM dsm_files WHERE dataset_uid = ?', output);
      return rows.length === 1 && rows[0]?.['status'] === 'discarded';
    });
    t.match(
      await node.rows(
        "SELECT status FROM dsm_files WHERE dataset_uid = ? AND status = 'available'",
        datasetIdOf(first, 'log'),
      ),
      [{}],
      'its log says what happened',
    );
  },
);

t.test(
  'finishing wins over a request that came first, and its output is discarded all the same',
  async (t) => {
    t.testdir();
    const store = await embedded(t);
    const node = await taskNode(t, store);
    const pilot = await new InnerPilot(node.context, 'p1').attach();
    const task = await submit(node, await inputOf(node, 1));
    await untilJobs(node, task, 1);
    const [claim] = await granted(node, pilot, task);
    if (claim === undefined) throw new Error('a job');
    await node.ask('task_cancel', { id: task, reason: 'wrong' });
    await until('it is to end', async () => (await pilot.stateOf(claim.job)).value === 'cancelling');
    await pilot.finished(claim);
    t.match(await untilState(node, task, 'cancelled'), { jobs_finished: 1, jobs_cancelled: 0 });
    await until('its output is discarded', async () => {
      const { status } = await node.row(
        'SELECT status FROM dsm_files WHERE dataset_uid = ?',
        datasetIdOf(task, 'output'),
      );
      return status === 'discarded';
    });
    const before = (await stored(store, 'wl_job')).length;
    await pilot.finished(claim);
    await pilot.cancelled(claim).catch(() => undefined);
    await pilot.failed(claim, 'payload_exit').catch(() => undefined);
    t.match(await refusalOf(node.ask('task_retry', { id: task })), { kind: 'refused' });
    t.equal((await stored(store, 'wl_job')).length, before, 'nothing undoes it');
  },
);
