/**
 * What a job of a task costs: events and streams, which are always the same, and statements, which are fewer the more happens at once.
 * Counted and not timed: limits are those of a busy machine, on which hardly anything happens at once.
 */

import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { workload } from '../../../../projections/workload/workload.js';
import type { Statement } from '../../../../src/base/sql.js';
import { openDatabase } from '../../../../src/base/sqlite.js';
import { categoryOf, type RecordedEvent } from '../../../../src/runtime/event-store/event-store.js';
import { isUuid } from '../../../../src/runtime/event-store/ids.js';
import { job } from '../../../../src/systems/workload/service/jobs/job-commands.js';
import { nameOfAttempt } from '../../../../src/systems/workload/wire/attempt-names.js';
import { collect } from '../../../support/events.js';
import { until } from '../../../support/until.js';
import { type Granted, SyntheticPilot } from '../support/synthetic-pilot.js';
import { startWorkload, type WorkloadNode } from '../support/workload-node.js';

const JOBS = 60;
const DATASETS = 'DatasetManager';
const MD5 = '0cc175b9-c0f1-b6a8-31c3-99e269772661';

/** What is asked of any database of this process, by what it does with which table. */
class Statements {
  all = 0;
  private readonly byKind = new Map<string, number>();

  add(sql: string): void {
    this.all += 1;
    const kind = kindOf(sql);
    this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
  }

  /** Of each job: what comes a few times for all of them counts for none. */
  aJob(kind: string): number {
    return Math.floor((this.byKind.get(kind) ?? 0) / JOBS);
  }
}

/** Reads of one row of a job by its id are a kind of their own. */
function kindOf(sql: string): string {
  const text = sql.replace(/\s+/g, ' ').trim();
  const [, verb = '', table = ''] =
    /^(INSERT|UPDATE|SELECT)\b.*?(?:INTO|UPDATE|FROM)? ?\b(events|streams|job_dat|file_dat|dsm_files)\b/.exec(
      text,
    ) ?? [];
  return `${verb} ${table}${/FROM job_dat WHERE id = \?$/.test(text) ? ' by id' : ''}`;
}

/** Counts from now on. */
function countStatements(t: Test): Statements {
  const counted = new Statements();
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  const prototype: Statement = Object.getPrototypeOf(db.prepare('SELECT 1'));
  const { run, get, all } = prototype;
  const counting = <F extends (...given: never[]) => unknown>(original: F): F =>
    function (this: { readonly statement: { readonly sourceSQL: string } }, ...given: Parameters<F>) {
      counted.add(this.statement.sourceSQL);
      return original.apply(this, given);
    } as F;
  Object.assign(prototype, { run: counting(run), get: counting(get), all: counting(all) });
  t.teardown(() => Object.assign(prototype, { run, get, all }));
  return counted;
}

/** Counts streams of jobs and files that are read, by whomever. */
function countReads({ context }: WorkloadNode): () => number {
  let count = 0;
  const { store } = context.runtime;
  const readStream = store.readStream.bind(store);
  const counted: typeof readStream = (stream, options) => {
    if (/^wl_(job|file)-/.test(stream)) count += 1;
    return readStream(stream, options);
  };
  Object.assign(store, { readStream: counted });
  return () => count;
}

/** What was applied to the rows, by type of event. */
function countApplied({ context }: WorkloadNode): (type: string) => number {
  const counts = new Map<string, number>();
  context.runtime.onApplied(workload.name, (events) => {
    for (const { type } of events) counts.set(type, (counts.get(type) ?? 0) + 1);
  });
  return (type) => counts.get(type) ?? 0;
}

async function closedDataset(node: WorkloadNode, files: number): Promise<string> {
  const uid = randomUUID();
  await node.ask(DATASETS, 'dataset_register', {
    datasets: [{ uid, name: 'in', storage_url: 'file:///nowhere' }],
  });
  await node.ask(DATASETS, 'dataset_add', {
    uid,
    files: Array.from({ length: files }, (_, i) => ({ file_name: `f${i}.txt`, size: 0, check_sum: MD5 })),
  });
  await node.ask(DATASETS, 'dataset_close', { uid });
  return uid;
}

/** As soon as a hint comes it is claimed, started and finished. */
async function finishes(node: WorkloadNode, t: Test): Promise<void> {
  const pilot = new SyntheticPilot(node, { slots: 16, executables: ['true'] });
  await pilot.attach();
  t.teardown(() => pilot.close());
  const written = (uid = '', file_name = '', task = '') => ({
    ...{ uid, file_name, path: `${task}/${nameOfAttempt(file_name, 1)}`, size: 0 },
    ...{ check_sum: MD5, sha256: '4'.repeat(64) },
  });
  pilot.onHint = async (job, curRetry) => {
    const { grant } = await pilot.claim(job, curRetry);
    if (grant === undefined) return;
    const { outputs = [], log, task }: Granted & { readonly task?: string } = grant;
    await pilot.started(grant);
    await pilot.finished(grant, {
      outputs: outputs.map((file) => written(file.uid, file.file_name, task)),
      log: written(log?.uid, log?.file_name, task),
    });
  };
  pilot.listen();
}

/** How often each type of event stands in streams of these categories, a job's share. */
function shares(events: readonly RecordedEvent[], categories: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { stream, type } of events)
    if (categories.includes(categoryOf(stream))) counts[type] = (counts[type] ?? 0) + 1 / JOBS;
  for (const type in counts) counts[type] = Number(counts[type]?.toFixed(2));
  return counts;
}

t.test('a job of a task: events, streams and statements', async (t) => {
  const node = await startWorkload(t);
  const applied = countApplied(node);
  const reads = countReads(node);
  const input = await closedDataset(node, JOBS);
  await until('the files are registered', () => applied('FileRegistered') === JOBS);
  const splitting = countStatements(t);
  const order = { executable: 'true', device_type: 'cpu', mode: 'map', data_in_uid: input };
  await node.ask('TaskManager', 'task_submit', { ...order, data_out_url: 'file:///proc/nowhere/out' });
  await until('it is split', () => applied('JobCreated') === JOBS && applied('TaskSplitCompleted') === 1);
  const toSplit = splitting.all;
  const living = countStatements(t);

  await finishes(node, t);
  await until('all is over', () => applied('TaskFinished') === 1 && applied('DatasetClosed') === 3);
  const toFinish = living.all;
  t.equal(reads(), 0, 'no stream of a job or a file is read');
  await node.context.runtime.system.read(job, 'nobody');
  t.equal(reads(), 1, 'it would have been counted');

  const events = await collect(node.context.runtime.store.readAll());
  t.same(shares(events, ['wl_job']), {
    ...{ JobCreated: 1, JobQueued: 1, JobClaimed: 1, JobStarted: 1, JobFinished: 1 },
  });
  t.same(shares(events, ['wl_file']), { FileRegistered: 3 }, 'its input, its output and its log');
  const named = events.filter(({ stream }) => /^wl_(job|file)-/.test(stream));
  t.same(
    named.map(({ metadata }) => metadata.$causationId).filter((id) => !isUuid(id)),
    [],
    'what caused them is a UUID each, which takes a fifth of the room',
  );
  const streams = new Set(
    events.map(({ stream }) => stream).filter((stream) => /^wl_(job|file)-/.test(stream)),
  );
  t.equal(streams.size, 4 * JOBS);
  const others = events.filter(({ stream }) => /^wl_(task|dataset|catalogue)-/.test(stream)).length;
  t.ok(others < 20, `${others} events of its task and datasets, however many jobs there are`);
  const kinds = [
    ...[
      'INSERT events',
      'INSERT streams',
      'UPDATE streams',
      'UPDATE job_dat',
      'UPDATE file_dat',
      'UPDATE dsm_files',
    ],
    ...['SELECT job_dat by id', 'SELECT file_dat', 'SELECT dsm_files', 'SELECT streams'],
  ];
  // The one row that is read: how long it waited, for the metrics.
  t.same(Object.fromEntries(kinds.map((kind) => [kind, living.aJob(kind)])), {
    ...{ 'INSERT events': 6, 'INSERT streams': 2, 'UPDATE streams': 4 },
    ...{ 'UPDATE job_dat': 4, 'UPDATE file_dat': 4, 'UPDATE dsm_files': 2 },
    ...{ 'SELECT job_dat by id': 1, 'SELECT file_dat': 0, 'SELECT dsm_files': 0, 'SELECT streams': 0 },
  });
  t.comment(`statements a job: ${toSplit / JOBS} to be split, ${toFinish / JOBS} from there to its end`);
  t.ok(toSplit < 20 * JOBS, `${toSplit} statements to split ${JOBS} files`);
  t.ok(toFinish < 150 * JOBS, `${toFinish} statements for the rest of ${JOBS} jobs`);
});
