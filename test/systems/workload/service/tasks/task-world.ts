/**
 * Tasks on a runtime of their own, on any store: with their datasets: what is asked of them goes through operations, and
 * jobs end by commands, as pilots would have them end.
 *
 * Guarantee: everything is closed with the test; a node that is dropped tells nobody.
 */

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { JobEvent } from '../../../../../machines/workload/job.js';
import { workload } from '../../../../../projections/workload/workload.js';
import { type Clock, systemClock } from '../../../../../src/base/clock.js';
import { Gates } from '../../../../../src/base/gates.js';
import { keepingStatements, type SqlRow } from '../../../../../src/base/sql.js';
import type { Asking, ServedOperation } from '../../../../../src/node/operations/operation.js';
import type { EventStore, RecordedEvent } from '../../../../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { openRuntime, type Runtime } from '../../../../../src/runtime/runtime.js';
import { withRoots, workloadSection } from '../../../../../src/systems/workload/config.js';
import { dataset } from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import { openDatasets } from '../../../../../src/systems/workload/service/datasets/datasets.js';
import { job } from '../../../../../src/systems/workload/service/jobs/job-commands.js';
import { JobOrders } from '../../../../../src/systems/workload/service/jobs/job-orders.js';
import { openSeries } from '../../../../../src/systems/workload/service/series/series.js';
import { openSwitches } from '../../../../../src/systems/workload/service/switches/switches.js';
import { openTasks } from '../../../../../src/systems/workload/service/tasks/tasks.js';
import type { Part, WorkloadContext } from '../../../../../src/systems/workload/service/workload-context.js';
import { workloadService } from '../../../../../src/systems/workload/service/workload-service.js';
import { collect } from '../../../../support/events.js';
import { logLines } from '../../../../support/log-lines.js';
import { until } from '../../../../support/until.js';

export const MD5 = '0cc175b9-c0f1-b6a8-31c3-99e269772661';
const SHA = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb';

export interface TaskNode {
  readonly runtime: Runtime;
  readonly context: WorkloadContext;
  /** Asks for an operation as a peer would; a stream is collected. */
  ask(name: string, request: object): Promise<Answer>;
  follow(name: string, request: object, over: AbortSignal): AsyncIterable<object>;
  rows(sql: string, ...parameters: (string | number)[]): Promise<SqlRow[]>;
  row(sql: string, ...parameters: (string | number)[]): Promise<SqlRow>;
  close(): Promise<void>;
}

export type Answer = Readonly<Record<string, unknown>>;

export interface TaskNodeOptions {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly name?: string;
  readonly shared?: boolean;
  readonly clock?: Clock;
}

export async function embedded(t: Test): Promise<EventStore> {
  const store = openSqliteEventStore(join(t.testdir(), 'events.db'));
  t.teardown(() => store.close());
  return store;
}

/** Opens a node on the store; its read models are called by its name. */
export async function taskNode(
  t: Test,
  store: EventStore,
  { config = {}, name = 'node', shared = false, clock = systemClock }: TaskNodeOptions = {},
): Promise<TaskNode> {
  const { logger } = logLines();
  const { actorTypes, projections } = workloadService;
  const databasePath = join(t.testdirName, `${name}.db`);
  const runtime = openRuntime({ actorTypes, projections, store, databasePath, clock, logger, shared });
  const node = { workerId: name, shared, runtime, clock, logger };
  let parts: readonly Part[] = [];
  const context: WorkloadContext = {
    ...{ node, runtime, clock, logger, system: runtime.system, db: keepingStatements(runtime.db) },
    config: withRoots(workloadSection.parse({ workload: config }).workload),
    gates: new Gates(),
    readYourWrites: () => runtime.readYourWrites(),
  };
  await runtime.start(async () => {
    const orders = new JobOrders(store);
    runtime.onApplied(workload.name, (events) => orders.observe(events));
    parts = [openDatasets(context, orders), openTasks(context), openSeries(context), openSwitches(context)];
    return parts.flatMap(({ reactors = [] }) => reactors);
  });
  runtime.startLoops(parts.flatMap(({ loops = [] }) => loops));
  let isOpen = true;
  const close = async () => {
    if (isOpen) await runtime.close();
    isOpen = false;
  };
  t.teardown(close);
  const rows = async (sql: string, ...parameters: (string | number)[]) => {
    await runtime.readYourWrites();
    return runtime.db.prepare(sql).all(...parameters);
  };
  const over = new AbortController();
  t.teardown(() => over.abort());
  const asking = (signal: AbortSignal): Asking => ({
    ...{ address: 'test', who: 'test', over: signal, repeated: () => undefined },
  });
  const operation = (asked: string): ServedOperation => {
    const served = parts
      .flatMap(({ operations = [] }) => operations)
      .find(({ operation: { name } }) => name === asked);
    if (served === undefined) throw new Error(`there is no operation ${asked}`);
    return served;
  };
  return {
    runtime,
    context,
    close,
    rows,
    row: async (sql, ...parameters) => {
      const [found] = await rows(sql, ...parameters);
      if (found === undefined) throw new Error(`nothing found by ${sql} ${parameters.join()}`);
      return found;
    },
    async ask(asked, request) {
      const { handle } = operation(asked);
      if ('answer' in handle) return { ...(await handle.answer(request, asking(over.signal))) };
      return { all: await collect(handle.follow(request, asking(over.signal))) };
    },
    follow(asked, request, signal) {
      const { handle } = operation(asked);
      if ('answer' in handle) throw new Error(`${asked} is no stream`);
      return handle.follow(request, asking(signal));
    },
  };
}

/** A dataset with so many files that are there. @returns its uid */
export async function inputOf(node: TaskNode, files: number, more: { readonly sealed?: boolean } = {}) {
  const uid = randomUUID();
  const { system } = node.runtime;
  const data = { name: `input ${uid}`, storage_url: 'file:///in' };
  await system.execute(dataset, uid, { decide: () => [{ type: 'DatasetRegistered', data }] });
  await addFiles(node, uid, 0, files);
  if (more.sealed !== false) await seal(node, uid);
  return uid;
}

export async function addFiles(node: TaskNode, uid: string, from: number, count: number): Promise<void> {
  const { system } = node.runtime;
  const places = Array.from({ length: count }, (_, i) => from + i);
  for (let at = 0; at < places.length; at += 1000) {
    const files = places.slice(at, at + 1000).map((idx) => ({
      ...{ name: `f${idx}.txt`, path: `f${idx}.txt`, size: '10', check_sum: MD5, sha256: SHA },
    }));
    const data = { first_idx: from + at, declared: false, files };
    await system.execute(dataset, uid, { decide: () => [{ type: 'DatasetFilesAdded', data }] });
  }
  await until(`dataset ${uid} has its files`, async () => {
    const { status, available } = await node.row(
      `SELECT count(*) AS available, min(status) AS status FROM dsm_files
       WHERE dataset_uid = ? AND idx >= ? AND status <> 'registering'`,
      ...[uid, from],
    );
    return available === count && (count === 0 || status === 'available');
  });
}

export async function seal(node: TaskNode, uid: string): Promise<void> {
  await node.runtime.system.execute(dataset, uid, {
    decide: ({ context }) => [{ type: 'DatasetSealed', data: { files: context.files } }],
  });
}

export type Ending = 'finished' | 'failed';

/** Lets jobs end as a pilot would have it. @returns how many there were */
export async function endJobs(
  node: TaskNode,
  endingOf: (seq: number, level: number) => Ending | 'left' = () => 'finished',
): Promise<number> {
  const jobs = await node.rows("SELECT * FROM job_dat WHERE state = 'created' ORDER BY job_id");
  const wanted = jobs.filter((row) => endingOf(Number(row['seq']), Number(row['level'])) !== 'left');
  for (const row of wanted) {
    const files = await node.rows(
      "SELECT * FROM file_dat WHERE job_id = ? AND type <> 'input'",
      Number(row['job_id']),
    );
    const ending = endingOf(Number(row['seq']), Number(row['level'])) === 'failed' ? 'failed' : 'finished';
    await endJob(node, String(row['id']), ending, files.map(writtenOf));
  }
  return wanted.length;
}

type Written = Extract<JobEvent, { type: 'JobFinished' }>['data']['log'];

function writtenOf(used: SqlRow): Written {
  const name = String(used['file_name']);
  return {
    ...{ uid: String(used['dsm_file']), file_name: name, path: `task/${name}` },
    ...{ size: '3', check_sum: MD5, sha256: SHA },
  };
}

async function endJob(
  node: TaskNode,
  uid: string,
  ending: Ending,
  written: readonly Written[],
): Promise<void> {
  const { system } = node.runtime;
  const claim_id = randomUUID();
  await system.execute(job, uid, {
    decide: ({ context }) => {
      const attempt = context.attempt + 1;
      const claim = {
        pilot: 'p',
        session_id: 's',
        claim_id,
        attempt,
        cur_retry: context.curRetry,
        lease_seconds: 60,
      };
      const [log = writtenOf({})] = written.filter(({ file_name }) => file_name.endsWith('.log'));
      const outputs = written.filter((one) => one !== log);
      const end: JobEvent =
        ending === 'failed'
          ? {
              type: 'JobFailed',
              data: { class: 'payload_exit', detail: 'exit code 1', exit_code: 1, claim_id },
            }
          : {
              type: 'JobFinished',
              data: { claim_id, attempt, exit_code: 0, outputs, log, wall_seconds: 1 },
            };
      return [
        { type: 'JobQueued', data: { queue: 'cpu', batch: 'b' } },
        { type: 'JobClaimed', data: claim },
        end,
      ];
    },
  });
}

export const ORDER = {
  ...{ executable: 'sort', device_type: 'cpu', mode: 'map', data_out_url: 'file:///out' },
} as const;

/** @returns the uid of the task */
export async function submit(node: TaskNode, dataIn: string, more: object = {}): Promise<string> {
  const { uid } = await node.ask('task_submit', { ...ORDER, data_in_uid: dataIn, ...more });
  return String(uid);
}

/** What it was refused with. */
export async function refusalOf(asked: Promise<unknown>): Promise<unknown> {
  try {
    await asked;
  } catch (error) {
    return error;
  }
  return 'it was not refused';
}

export async function untilState(node: TaskNode, uid: string, state: string): Promise<Answer> {
  await until(
    `task ${uid} is ${state}`,
    async () => (await node.ask('task_status', { id: uid }))['state'] === state,
  );
  return node.ask('task_status', { id: uid });
}

export async function untilJobs(node: TaskNode, uid: string, jobs: number): Promise<void> {
  await until(
    `task ${uid} has ${jobs} jobs`,
    async () => (await node.ask('task_status', { id: uid }))['jobs_total'] === jobs,
  );
}

export async function untilSealed(node: TaskNode, dataset: string): Promise<void> {
  const sql = "SELECT 1 FROM dsm_datasets WHERE uid = ? AND status IN ('sealed', 'closed')";
  await until(`dataset ${dataset} is sealed`, async () => (await node.rows(sql, dataset)).length > 0);
}

/** Everything that is stored of a category, or of one stream. */
export async function stored(store: EventStore, category: string): Promise<RecordedEvent[]> {
  const all: RecordedEvent[] = [];
  for await (const { events, caughtUp } of store.subscribe({ categories: [category] })) {
    all.push(...events);
    if (caughtUp) break;
  }
  return all;
}
