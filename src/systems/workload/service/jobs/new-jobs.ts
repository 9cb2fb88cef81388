/**
 * Jobs that belong to no task, for those who split by themselves.
 *
 * Guarantees: all of an order are looked at, and every problem is told, before one of them is made; which jobs they are follows from the
 * order's id, so who sends it again, also after it stopped on the way, has each of them once; another order under that id is refused.
 */

import { hash, randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { JobEvent, JobSnapshot } from '../../../../../machines/workload/job.js';
import { type FieldProblem, InvalidFieldError, OwlError } from '../../../../base/errors.js';
import type { Database, SqlRow } from '../../../../base/sql.js';
import { asUuid, uuidOf } from '../../../../base/uuid.js';
import type { Asking } from '../../../../node/operations/operation.js';
import { storageProblem } from '../../storage-url.js';
import { noDataset } from '../datasets/dataset-commands.js';
import { AS_LIST } from '../datasets/dataset-rows.js';
import { ENDED, whileReadable } from '../datasets/single-readers.js';
import { USUAL_RETRIES } from '../shown/payload-fields.js';
import { inputOf } from '../tasks/jobs-of-chunk.js';
import { logName, outputName } from '../tasks/output-names.js';
import type { WorkloadContext } from '../workload-context.js';
import { job } from './job-commands.js';
import type { createJobs, NewJob } from './job-operations.js';

/** Under way at the same time. */
const AT_ONCE = 64;
/** Of the first event of a job, which has to fit into one with what stands beside it. */
const MOST_BYTES = 768 * 1024;
const MOST_NAMED = 5;

type Created = Extract<JobEvent, { type: 'JobCreated' }>['data'];

/** @returns their uids, in order @throws InvalidFieldError; OwlError `not_found` or `refused` for inputs that can't be read */
export async function makeJobs(
  context: WorkloadContext,
  request: z.output<typeof createJobs.request>,
  asking: Asking,
): Promise<string[]> {
  if (request.jobs.length === 0) throw new InvalidFieldError('jobs', 'is missing');
  const datasets = request.jobs.map(({ data_in_uid: uid }) => asUuid(uid));
  return await whileReadable(context, datasets, () => made(context, request, asking));
}

async function made(
  context: WorkloadContext,
  { jobs, command_id: id }: z.output<typeof createJobs.request>,
  asking: Asking,
): Promise<string[]> {
  const { system, db, readYourWrites } = context;
  const order = id ?? randomUUID();
  const uids = jobs.map((_one, i) => uuidOf(`owl/workload/single-job/1/${order}/${i}`));
  await readYourWrites();
  // Of those that are there nothing is looked at again: the same order gets its first answer.
  const there = new Set(
    db
      .prepare(`SELECT id FROM job_dat WHERE id IN ${AS_LIST}`)
      .all(JSON.stringify(uids))
      .map((row) => row['id']),
  );
  const isThere = uids.map((uid) => there.has(uid));
  const orders = ordersOf(context, jobs, (i) => isThere[i] !== true, uids);
  const asks = { name: 'job_create', content: { jobs: hash('sha256', JSON.stringify(jobs)) } };
  let isRepeated = true;
  for (let from = 0; from < uids.length; from += AT_ONCE)
    await Promise.all(
      uids.slice(from, from + AT_ONCE).map(async (uid, i) => {
        const { duplicate } = await system.execute(job, uid, {
          ...(id === undefined ? {} : { id: uuidOf(`${order}/${from + i}`), asks }),
          by: asking.who,
          decide: (snapshot) => create(snapshot, uid, orders.get(from + i)),
        });
        isRepeated &&= duplicate;
      }),
    );
  asking.repeated(isRepeated);
  await readYourWrites();
  return uids;
}

/** @throws OwlError kind `exists` */
function create({ value }: JobSnapshot, uid: string, data: Created | undefined): JobEvent[] {
  if (value !== 'absent' || data === undefined) throw new OwlError('exists', `there is a job ${uid} already`);
  return [{ type: 'JobCreated', data }];
}

function ordersOf(
  { db, config }: WorkloadContext,
  jobs: readonly NewJob[],
  isWanted: (i: number) => boolean,
  uids: readonly string[],
): Map<number, Created> {
  const orders = new Map<number, Created>();
  const problems: FieldProblem[] = [];
  const wanted = [...jobs.entries()].filter(([i]) => isWanted(i));
  for (const [i, one] of wanted)
    for (const [field, rule] of problemsOf(one, config.storage_roots))
      if (rule !== undefined) problems.push({ field: `jobs.${i}.${field}`, rule });
  refuse(problems);
  for (const [i, one] of wanted) {
    const inputs = inputsOf(db, one, `jobs.${i}`);
    const data = createdOf(one, { uid: uids[i] ?? '', seq: i }, inputs);
    if (Buffer.byteLength(JSON.stringify(data)) > MOST_BYTES)
      problems.push({
        field: `jobs.${i}.inputs`,
        rule: 'must be fewer: paths so long do not fit into one job',
      });
    orders.set(i, data);
  }
  refuse(problems);
  return orders;
}

function refuse([first, ...others]: readonly FieldProblem[]): void {
  if (first !== undefined) throw new InvalidFieldError(first.field, first.rule, others);
}

function problemsOf(
  { mode, inputs, data_out_url: out }: NewJob,
  roots: readonly string[],
): readonly (readonly [field: string, rule: string | undefined])[] {
  const few = inputs.length === 0 ? 'is missing' : undefined;
  const many = mode === 'map' && inputs.length > 1 ? 'must be one for a map; a merge has several' : undefined;
  const twice = inputs.find((name, i) => inputs.indexOf(name) < i);
  const again = twice === undefined ? undefined : `must have each file once, not twice: ${twice}`;
  return [
    ['inputs', few ?? many ?? again],
    ['data_out_url', storageProblem(out, roots)],
  ];
}

/** In the order they were named. @throws OwlError kind `not_found`, or `refused` for what is not there now */
function inputsOf(db: Database, { data_in_uid, inputs }: NewJob, field: string): SqlRow[] {
  const dataset = asUuid(data_in_uid);
  const known = db.prepare('SELECT status FROM dsm_datasets WHERE uid = ?').get(dataset);
  if (known === undefined) throw noDataset(dataset);
  const rows = db
    .prepare(
      `SELECT uid, dataset_uid, idx, file_name, path, size, check_sum, sha256, status FROM dsm_files
       WHERE dataset_uid = ? AND file_name IN ${AS_LIST}`,
    )
    .all(dataset, JSON.stringify(inputs));
  const byName = new Map(rows.map((row) => [row['file_name'], row]));
  const missing = inputs.filter((name) => !byName.has(name));
  if (missing.length > 0)
    throw new OwlError('not_found', `${field}.inputs: dataset ${dataset} has no file ${some(missing)}`, {
      reason: 'file_not_found',
    });
  if (rows.some(({ status }) => status === 'registering'))
    throw new OwlError('retryable', `${field}.inputs: some of them are being registered; ask again`);
  const away = rows.filter(({ status }) => status !== 'available');
  const ended = ENDED.get(known['status']);
  if (ended !== undefined || away.length > 0) {
    const what = away.map(({ file_name: name, status }) => `${String(name)} is ${String(status)}`);
    const why = ended ?? `can not be read: ${some(what)}`;
    throw new OwlError('refused', `${field}.inputs: dataset ${dataset} ${why}`, {
      reason: 'transition_refused',
    });
  }
  return inputs.map((name) => byName.get(name)).filter((row) => row !== undefined);
}

function some(all: readonly string[]): string {
  const more = all.length - MOST_NAMED;
  return `${all.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function createdOf(
  one: NewJob,
  { uid, seq }: { readonly uid: string; readonly seq: number },
  inputs: readonly SqlRow[],
): Created {
  const { executable, device_type, mode, args, rank = 0, retries = USUAL_RETRIES } = one;
  const { timeout_seconds, memory_mib, data_out_url } = one;
  const name = String(inputs[0]?.['file_name'] ?? '');
  /** It lies beside those of the job's own directory, and in no dataset. */
  const out = (what: string, file_name: string) => ({
    ...{ uid: uuidOf(`owl/workload/single-job/1/${uid}/${what}`), dataset_uid: '', idx: 0, file_name },
  });
  return {
    seq,
    ...{ level: 1, executable, rank, device_type, mode, retries, data_out_url },
    ...(args === undefined ? {} : { args }),
    ...(timeout_seconds === undefined ? {} : { timeout_seconds }),
    ...(memory_mib === undefined ? {} : { memory_mib }),
    inputs: inputs.map(inputOf),
    outputs: [out('output', outputName(name, seq, mode))],
    log: out('log', logName(name, seq, mode)),
  };
}
