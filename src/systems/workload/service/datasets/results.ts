/**
 * What a job's end says of files: those it was to write become available, failed, discarded or declared again, and an input that it
 * found missing or changed is said to be so. The log of one that failed is available too, where its pilot has stored it. Until then a
 * file that a job is to write has a place and a name in its dataset, and no stream: it is registered here, with what becomes of it.
 *
 * Guarantee: judged by how the job stands now, so events of an older round of it, told again, change nothing; once all of them have
 * been told, its files are what its last event says.
 */

import { workload } from '../../../../../projections/workload/workload.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import type { Database, SqlRow } from '../../../../base/sql.js';
import {
  type EventStore,
  idOf,
  type JsonObject,
  type Position,
  type RecordedEvent,
} from '../../../../runtime/event-store/event-store.js';
import { commandTo, type Reactor, type ReactorCommand } from '../../../../runtime/reactors/reactor.js';
import type { JobOrders } from '../jobs/job-orders.js';
import { newestEvent } from '../newest-event.js';
import type { WorkloadContext } from '../workload-context.js';
import { file } from './dataset-types.js';
import {
  availableFrom,
  type Decide,
  declareAgain,
  type FileRegistration,
  findCorrupt,
  findMissing,
  ofDeclared,
} from './file-commands.js';

const TOLD: ReadonlySet<string> = new Set(['JobFinished', 'JobFailed', 'JobCancelled', 'JobRetried']);

export function results(
  { runtime, db }: Pick<WorkloadContext, 'runtime' | 'db'>,
  orders: Pick<JobOrders, 'of' | 'forget'>,
): Reactor<readonly ReactorCommand[]> {
  return {
    name: 'workload-results',
    categories: ['wl_job'],
    async react(event, { signal }) {
      if (!TOLD.has(event.type)) return [];
      if (event.type === 'JobFinished') return await finished(orders, event);
      await runtime.projector(workload.name).caughtUpTo(event.position, signal);
      const job = db
        .prepare('SELECT state, file_out_id, file_log_id FROM job_dat WHERE id = ?')
        .get(idOf(event.stream));
      if (job === undefined) return [];
      return [...(await inputFound(runtime.store, event, job)), ...written(db, event, job)];
    },
  };
}

/** Nothing comes behind it, so its order and the event say all: neither rows are waited for nor looked at. It comes with every job. */
async function finished(
  orders: Pick<JobOrders, 'of' | 'forget'>,
  event: RecordedEvent,
): Promise<ReactorCommand[]> {
  const job = idOf(event.stream);
  const order = await orders.of(job);
  orders.forget(job);
  if (order === undefined) return [];
  return [...order.outputs, order.log]
    .filter(({ datasetUid }) => datasetUid !== '')
    .map(({ uid, datasetUid, idx, file_name }) => {
      const path = `${order.task ?? job}/${file_name}`;
      const place = { dataset_uid: datasetUid, idx, file_name, path, declared: true };
      return commandTo(file, uid, {
        id: event.id,
        // Only where its job has failed before something has become of it.
        begins: true,
        decide: available(uid, place, event.data, job),
      });
    });
}

function written(db: Database, event: RecordedEvent, job: SqlRow): ReactorCommand[] {
  const decide = decisionFor(event, String(job['state']));
  if (decide === undefined) return [];
  return placesOf(db, job).map(({ uid, place, isNew }) =>
    commandTo(file, uid, {
      // Each of its files is told once of an event: its id says by which.
      id: event.id,
      begins: isNew && event.type !== 'JobRetried',
      decide: decide(uid, place),
    }),
  );
}

type DecideOf = (uid: string, place: FileRegistration) => Decide;

/** Undefined where a later event of the job says what is so now. */
function decisionFor(event: RecordedEvent, state: string): DecideOf | undefined {
  const { type, data, stream } = event;
  switch (type) {
    case 'JobFailed':
      if (state !== 'failed') return undefined;
      return (uid, place) =>
        isObject(data['log']) && data['log']['uid'] === uid
          ? available(uid, place, data, idOf(stream))
          : ofDeclared(place, { type: 'FileFailed', data: { reason: reasonIn(data) } });
    case 'JobCancelled':
      return (_uid, place) => ofDeclared(place, { type: 'FileDiscarded', data: { reason: reasonIn(data) } });
    case 'JobRetried':
      return () =>
        declareAgain({
          reason: 'its job is retried',
          attempts: Number(data['attempt'] ?? 0),
          hasFailedSince: state === 'failed',
        });
    default:
      return undefined;
  }
}

/** What an output that the report does not name would be. */
function available(uid: string, place: FileRegistration, data: JsonObject, job: string): Decide {
  const outputs = Array.isArray(data['outputs']) ? data['outputs'] : [];
  const told = [...outputs, data['log']].find((one) => isObject(one) && one['uid'] === uid);
  if (!isObject(told))
    return ofDeclared(place, { type: 'FileFailed', data: { reason: 'its job ended without it' } });
  return availableFrom(place, {
    file_name: String(told['file_name']),
    path: String(told['path']),
    size: String(told['size']),
    check_sum: String(told['check_sum']),
    sha256: String(told['sha256']),
    job,
    attempt: Number(data['attempt']),
  });
}

function reasonIn(data: JsonObject): string {
  return String(data['detail'] ?? data['reason'] ?? '');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Place {
  readonly uid: string;
  readonly place: FileRegistration;
  /** Nothing has become of it yet. */
  readonly isNew: boolean;
}

/** Of the files that the job writes. Places are taken before the job is made. */
function placesOf(db: Database, { file_out_id: first = null, file_log_id: last = null }: SqlRow): Place[] {
  const rows = db
    .prepare(
      `SELECT used.dsm_file AS uid, used.dataset_uid, used.file_name, known.uid IS NULL AS is_new,
         coalesce(known.idx, taken.idx) AS idx, coalesce(known.path, taken.path) AS path
       FROM file_dat AS used LEFT JOIN dsm_files AS known ON known.uid = used.dsm_file
       LEFT JOIN dsm_files AS taken
         ON known.uid IS NULL AND taken.dataset_uid = used.dataset_uid AND taken.file_name = used.file_name
       WHERE used.file_id BETWEEN ? AND ? AND coalesce(known.idx, taken.idx) IS NOT NULL
       ORDER BY used.file_id`,
    )
    .all(first, last);
  return rows.map((row) => ({
    uid: String(row['uid']),
    isNew: row['is_new'] === 1,
    place: {
      dataset_uid: String(row['dataset_uid']),
      idx: Number(row['idx']),
      file_name: String(row['file_name']),
      path: String(row['path']),
      declared: true,
    },
  }));
}

/** The input that its job says is missing or another one; nothing where the job was retried, or the file looked at, since. */
async function inputFound(
  store: Pick<EventStore, 'readStream'>,
  { type, data, stream, position }: RecordedEvent,
  job: SqlRow,
): Promise<ReactorCommand[]> {
  const { class: why, file: uid, found_size: size, found_check_sum: sum } = data;
  if (type !== 'JobFailed' || typeof uid !== 'string' || uid === '' || job['state'] !== 'failed') return [];
  if (await isLookedAtSince(store, uid, position)) return [];
  const finding = { detail: reasonIn(data), job: idOf(stream) };
  if (why === 'input_missing') return [commandTo(file, uid, { decide: findMissing(finding) })];
  if (why !== 'input_checksum') return [];
  const found = {
    ...(typeof size === 'string' ? { size } : {}),
    ...(typeof sum === 'string' ? { checkSum: sum } : {}),
  };
  return [commandTo(file, uid, { decide: findCorrupt({ ...finding, ...found }) })];
}

async function isLookedAtSince(
  store: Pick<EventStore, 'readStream'>,
  uid: string,
  position: Position,
): Promise<boolean> {
  try {
    const newest = await newestEvent(store, `${file.category}-${uid}`);
    return newest !== undefined && newest.revision > 0 && newest.position > position;
  } catch (error) {
    // What can't be read takes no command either.
    if (!isRefusal(error)) throw error;
    return false;
  }
}
