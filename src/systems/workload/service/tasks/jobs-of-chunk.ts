/**
 * What follows from the plan of a chunk: the places of its outputs and logs in their datasets, and its jobs.
 *
 * Guarantees: jobs, their files and all ids follow from the plan and from what was known when it was made, so whoever carries it out
 * again, here or elsewhere, makes the same and nothing twice; the jobs are made one page of files after another, and never are all
 * of them in memory.
 */

import type { JobEvent, JobSnapshot } from '../../../../../machines/workload/job.js';
import type { TaskOrder } from '../../../../../machines/workload/task.js';
import type { Database, SqlRow } from '../../../../base/sql.js';
import { commandTo, type ReactorCommand } from '../../../../runtime/reactors/reactor.js';
import { declareFiles } from '../datasets/dataset-commands.js';
import { dataset } from '../datasets/dataset-types.js';
import { datasetIdOf, fileIdOf, jobIdOf, type Product } from '../ids.js';
import { job } from '../jobs/job-commands.js';
import { logName, outputName } from './output-names.js';
import type { Chunk } from './task-commands.js';

/** Read from the read model at a time. */
const FILES_OF_A_PAGE = 500;

export interface PlannedChunk {
  readonly task: string;
  readonly order: TaskOrder;
  /** As it is by now. */
  readonly rank: number;
  readonly chunk: Chunk;
}

/** The places of the files that its jobs write: they are to be taken before there is a job. */
export function placesOf(db: Database, planned: PlannedChunk): ReactorCommand[] {
  const { task, order, chunk } = planned;
  const names = [...groupsOf(db, planned)].map(({ seq, inputs }) => ({ seq, name: firstName(inputs) }));
  if (names.length === 0) return [];
  const outputs = names.map(({ seq, name }) => outputName(name, seq, order.mode));
  const logs = names.map(({ seq, name }) => logName(name, seq, order.mode));
  return [
    declared(task, productOf(planned), placeOf(planned, chunk.first_seq), outputs),
    declared(task, 'log', chunk.first_seq, logs),
  ];
}

export function* jobsOf(db: Database, planned: PlannedChunk): Generator<ReactorCommand> {
  const writes = writesOf(planned);
  for (const group of groupsOf(db, planned)) yield created(planned, writes, group);
}

/** Datasets that its jobs write into. */
interface Writes {
  readonly output: string;
  readonly log: string;
}

function writesOf(planned: PlannedChunk): Writes {
  const { task } = planned;
  return { output: datasetIdOf(task, productOf(planned)), log: datasetIdOf(task, 'log') };
}

/** Below the last level of several, what is written is only read again. */
function productOf({ order, chunk }: PlannedChunk): Product {
  return order.until_one && chunk.last_level !== true ? 'levels' : 'output';
}

/** Where the output of a job stands. */
function placeOf(planned: PlannedChunk, seq: number): number {
  return planned.chunk.last_level === true ? 0 : seq;
}

interface Group {
  readonly seq: number;
  readonly inputs: readonly SqlRow[];
}

function* groupsOf(db: Database, { task, order, chunk }: PlannedChunk): Generator<Group> {
  const { files_per_job: size, data_in_uid: input } = order;
  let seq = chunk.first_seq;
  let group: SqlRow[] = [];
  for (const row of filesOf(db, chunk.level === 1 ? input : datasetIdOf(task, 'levels'), chunk)) {
    group.push(row);
    if (group.length < size) continue;
    yield { seq, inputs: group };
    seq += 1;
    group = [];
  }
  if (group.length > 0) yield { seq, inputs: group };
}

/** Page by page, so that no look at the table stays open while commands are on their way. */
function* filesOf(db: Database, from: string, chunk: Chunk): Generator<SqlRow> {
  const skipped = new Set(chunk.skipped);
  const select = db.prepare(
    `SELECT uid, dataset_uid, idx, file_name, path, size, check_sum, sha256 FROM dsm_files
     WHERE dataset_uid = ? AND idx >= ? AND idx < ? ORDER BY idx`,
  );
  const end = chunk.first_idx + chunk.files;
  for (let at = chunk.first_idx; at < end; at += FILES_OF_A_PAGE)
    for (const row of select.all(from, at, Math.min(at + FILES_OF_A_PAGE, end)))
      if (!skipped.has(Number(row['idx']))) yield row;
}

function firstName([first]: readonly SqlRow[]): string {
  return String(first?.['file_name'] ?? '');
}

function declared(
  task: string,
  product: Product,
  firstIdx: number,
  names: readonly string[],
): ReactorCommand {
  const uid = datasetIdOf(task, product);
  const files = names.map((name) => ({ name, path: `${task}/${name}` }));
  return commandTo(dataset, uid, { decide: declareFiles(firstIdx, files) });
}

function created(planned: PlannedChunk, writes: Writes, { seq, inputs }: Group): ReactorCommand {
  const { task, order, rank, chunk } = planned;
  const name = firstName(inputs);
  const out = (dataset_uid: string, idx: number, file_name: string) => {
    const uid = fileIdOf(dataset_uid, idx);
    return { uid, dataset_uid, idx, file_name };
  };
  const { executable, device_type, mode, retries, args, timeout_seconds, memory_mib, data_out_url } = order;
  const data = {
    task,
    seq,
    level: chunk.level,
    ...{ executable, rank, device_type, mode, retries, data_out_url },
    ...(args === undefined ? {} : { args }),
    ...(timeout_seconds === undefined ? {} : { timeout_seconds }),
    ...(memory_mib === undefined ? {} : { memory_mib }),
    inputs: inputs.map(inputOf),
    outputs: [out(writes.output, placeOf(planned, seq), outputName(name, seq, mode))],
    log: out(writes.log, seq, logName(name, seq, mode)),
  };
  const first = Number(inputs[0]?.['idx'] ?? 0);
  // One that is a UUID takes a fifth of the room: there are as many of them as there are jobs.
  const id = jobIdOf(task, chunk.level, first, inputs.length);
  return commandTo(job, id, {
    id,
    begins: true,
    decide: (snapshot: JobSnapshot): JobEvent[] =>
      snapshot.value === 'absent' ? [{ type: 'JobCreated', data }] : [],
  });
}

export function inputOf(row: SqlRow) {
  const known = (name: string) =>
    row[name] === null || row[name] === undefined ? undefined : String(row[name]);
  const [size, check_sum, sha256] = [known('size'), known('check_sum'), known('sha256')];
  return {
    uid: String(row['uid']),
    ...{ dataset_uid: String(row['dataset_uid']), idx: Number(row['idx']) },
    ...{ file_name: String(row['file_name']), path: String(row['path']) },
    ...(size === undefined ? {} : { size }),
    ...(check_sum === undefined ? {} : { check_sum }),
    ...(sha256 === undefined ? {} : { sha256 }),
  };
}
