/**
 * What follows from the events of a task: the datasets that it writes, the jobs that it planned, their new rank.
 *
 * Guarantees: it follows in the order of the task's events, so the places of a chunk's files come behind those of the chunk before it,
 * and a dataset is sealed behind the last of them; carried out again it changes nothing.
 */

import type { DatasetEvent, DatasetSnapshot } from '../../../../../machines/workload/dataset.js';
import type { JobEvent, JobSnapshot } from '../../../../../machines/workload/job.js';
import type { TaskOrder } from '../../../../../machines/workload/task.js';
import { workload } from '../../../../../projections/workload/workload.js';
import { unlessRefused } from '../../../../base/unless-refused.js';
import { idOf, type JsonObject, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { commandTo, type Reactor, type ReactorCommand } from '../../../../runtime/reactors/reactor.js';
import { abortWritten, registerDataset, sealWritten } from '../datasets/dataset-commands.js';
import { dataset } from '../datasets/dataset-types.js';
import { datasetIdOf, PRODUCTS, type Product } from '../ids.js';
import { job } from '../jobs/job-commands.js';
import type { WorkloadContext } from '../workload-context.js';
import { jobsOf, placesOf } from './jobs-of-chunk.js';
import type { Chunk } from './task-commands.js';
import { task } from './task-type.js';

export function taskReactor(context: WorkloadContext): Reactor {
  return {
    name: 'workload-tasks',
    categories: [task.category],
    react: (event, { signal }) => {
      switch (event.type) {
        case 'TaskRegistered':
          return datasetsOf(idOf(event.stream), {
            data_out_url: String(event.data['data_out_url']),
            until_one: event.data['until_one'] === true,
          });
        case 'TaskJobsPlanned':
          return planned(context, event, signal);
        case 'TaskSplitCompleted':
        case 'TaskFinished':
          return written(context, event, sealWritten('its task makes no more jobs'));
        case 'TaskCancelled':
          return written(context, event, abortWritten(`its task was cancelled${reasonIn(event)}`));
        case 'TaskRanked':
          return ranked(context, event, signal);
        default:
          return [];
      }
    },
  };
}

function productsOf(untilOne: boolean): readonly Product[] {
  return untilOne ? PRODUCTS : ['output', 'log'];
}

/** The datasets that a task writes. */
export function datasetsOf(
  uid: string,
  order: Pick<TaskOrder, 'data_out_url' | 'until_one'>,
): ReactorCommand[] {
  return productsOf(order.until_one).map((product) =>
    commandTo(dataset, datasetIdOf(uid, product), {
      decide: registerDataset({
        name: `${product} of task ${uid}`,
        storage_url: order.data_out_url,
        producer_task: uid,
        produces: product,
      }),
    }),
  );
}

function reasonIn({ data: { reason } }: RecordedEvent): string {
  return typeof reason === 'string' ? `: ${reason}` : '';
}

async function written(
  { system }: WorkloadContext,
  { stream }: RecordedEvent,
  decide: (snapshot: DatasetSnapshot) => DatasetEvent[],
): Promise<ReactorCommand[]> {
  const uid = idOf(stream);
  const { snapshot } = await system.read(task, uid);
  return productsOf(snapshot.context.order?.until_one === true).map((product) =>
    commandTo(dataset, datasetIdOf(uid, product), { decide }),
  );
}

/** Who reads of the end of a job finds the places of its files. */
async function* planned(
  context: WorkloadContext,
  { stream, data, position }: RecordedEvent,
  signal: AbortSignal,
): AsyncGenerator<ReactorCommand> {
  const uid = idOf(stream);
  const [chunk, { snapshot }] = [readChunk(data), await context.system.read(task, uid)];
  const { order, rank } = snapshot.context;
  if (order === null) return;
  // What was planned rests on what was stored before it.
  await context.runtime.projector(workload.name).caughtUpTo(position, signal);
  const all = { task: uid, order, rank, chunk };
  const by = 'reactor:workload-tasks';
  const declared = placesOf(context.db, all).map(({ type, id, command }) =>
    unlessRefused(() => context.system.execute(type, id, { ...command, by })),
  );
  await Promise.all(declared);
  yield* jobsOf(context.db, all);
}

function readChunk(data: JsonObject): Chunk {
  const { skipped } = data;
  const number = (name: string) => Number(data[name]);
  return {
    ...{
      chunk: number('chunk'),
      level: number('level'),
      first_idx: number('first_idx'),
      files: number('files'),
    },
    ...{ first_seq: number('first_seq'), jobs: number('jobs') },
    ...(Array.isArray(skipped) ? { skipped: skipped.map(Number) } : {}),
    ...(data['last_level'] === true ? { last_level: true } : {}),
  };
}

/** What is queued keeps the rank that it was queued with. */
async function ranked(
  context: WorkloadContext,
  { stream, data, position }: RecordedEvent,
  signal: AbortSignal,
): Promise<ReactorCommand[]> {
  const rank = Number(data['rank']);
  await context.runtime.projector(workload.name).caughtUpTo(position, signal);
  await context.readYourWrites();
  const jobs = context.db
    .prepare(
      `SELECT id FROM job_dat WHERE task_id = (SELECT task_id FROM task_dat WHERE uid = ?) AND is_over = 0 AND state = 'created' AND rank <> ?`,
    )
    .all(idOf(stream), rank);
  return jobs.map(({ id }) =>
    commandTo(job, String(id), {
      decide: ({ value, context: { rank: before } }: JobSnapshot): JobEvent[] =>
        value === 'created' && before !== rank ? [{ type: 'JobRanked', data: { rank } }] : [],
    }),
  );
}
