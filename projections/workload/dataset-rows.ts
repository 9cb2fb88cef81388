/**
 * Rows of datasets and their files. A batch takes places and names of its files at once; what is known of each comes with its own
 * events. A file that a job is to write is declared by its place: it has no events before its job has ended.
 */

import type { KeptStatements, SqlValue } from '../../src/base/sql.js';
import { idOf, ORDER_ACCEPTED, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import { type Differences, recordsIn, StreamRows, sizeIn, timeOf, valueIn } from './rows.js';

export interface DatasetTables {
  readonly datasets: string;
  readonly files: string;
}

/** What of its files a dataset counts; everything else is unsettled. */
const COUNTED: Readonly<Record<string, string>> = {
  available: 'files_available',
  missing: 'files_failed',
  corrupt: 'files_failed',
  failed: 'files_failed',
  discarded: 'files_failed',
};

const STATUS_AFTER: Readonly<Record<string, string>> = {
  FileAvailable: 'available',
  FileVerified: 'available',
  FileMissing: 'missing',
  FileCorrupt: 'corrupt',
  FileFailed: 'failed',
  FileDiscarded: 'discarded',
  FileDeclaredAgain: 'declared',
  FileRestored: 'available',
};

export class DatasetRows {
  private readonly statements: KeptStatements;
  private readonly tables: DatasetTables;
  private readonly datasets: StreamRows;
  private readonly files: StreamRows;
  private readonly registers: Registers;

  constructor(statements: KeptStatements, tables: DatasetTables) {
    this.statements = statements;
    this.tables = tables;
    this.datasets = new StreamRows(statements, tables.datasets, 'uid');
    this.files = new StreamRows(statements, tables.files, 'uid');
    this.registers = registersOf(tables.files);
  }

  /** @param counts of datasets */
  applyDataset(event: RecordedEvent): void {
    if (event.type === 'DatasetRegistered') {
      this.register(event);
      return;
    }
    const row = this.datasets.before(event, 'files');
    if (row !== undefined) this.datasets.update(event, this.changeOf(event, Number(row['files'])));
  }

  applyFile(event: RecordedEvent, counts: Differences): void {
    if (event.type === 'FileRegistered') {
      this.registerFile(event, counts);
      return;
    }
    const row = this.files.before(event, 'status, dataset_uid, size');
    if (row === undefined) return;
    const status = event.type === ORDER_ACCEPTED ? String(row['status']) : STATUS_AFTER[event.type];
    if (status === undefined) throw new Error(`${event.type} is no event of a file`);
    const content = contentOf(event);
    this.files.update(event, { status, ...content });
    const dataset = String(row['dataset_uid']);
    this.count(counts, dataset, String(row['status']), Number(row['size'] ?? 0), -1);
    this.count(counts, dataset, status, Number(content['size'] ?? row['size'] ?? 0), 1);
  }

  /** Names are taken, and numbers given, at once; revision -1 says that nothing of them is stored yet. */
  enter(event: RecordedEvent): void {
    if (event.type === ORDER_ACCEPTED) return;
    const { data } = event;
    const time = timeOf(event);
    for (const [i, entered] of recordsIn(data, 'datasets').entries()) {
      const entry = Number(data['first']) + i;
      this.datasets.insert({
        ...{ dataset_id: this.datasets.next('dataset_id'), entry },
        ...columns(entered, 'uid name storage_url expected_files'),
        ...{ status: 'registered', create_time: time, update_time: time, revision: -1 },
      });
      // Where a task's dataset had the uid before, it keeps its row.
      this.statements
        .of(`UPDATE ${this.tables.datasets} SET entry = ? WHERE uid = ? AND entry IS NULL`)
        .run(entry, valueIn(entered, 'uid'));
    }
  }

  private register(event: RecordedEvent): void {
    if (this.datasets.has(event.stream)) {
      if (this.datasets.before(event, 'uid') !== undefined) this.datasets.update(event, {});
      return;
    }
    const { data } = event;
    const time = timeOf(event);
    this.datasets.insert({
      dataset_id: this.datasets.next('dataset_id'),
      uid: idOf(event.stream),
      ...columns(data, 'name storage_url expected_files producer_task produces series_uid series_index'),
      status: 'registered',
      ...{ create_time: time, update_time: time, revision: event.revision },
    });
  }

  private changeOf(event: RecordedEvent, files: number): Record<string, SqlValue> {
    const { type, data } = event;
    if (type === 'DatasetFilesAdded') return { status: 'open', files: files + this.take(event) };
    if (type === 'DatasetSealed') return { status: 'sealed', remarks: valueIn(data, 'reason') };
    if (type === 'DatasetClosed')
      return { status: 'closed', complete: valueIn(data, 'complete'), closed_time: timeOf(event) };
    if (type === 'DatasetCancelRequested') return { status: 'cancelling', remarks: valueIn(data, 'reason') };
    if (type === 'DatasetAborted') return { status: 'aborted', remarks: valueIn(data, 'reason') };
    if (type === ORDER_ACCEPTED) return {};
    throw new Error(`${type} is no event of a dataset`);
  }

  /** Takes the places and names of a batch. @returns how many */
  private take(event: RecordedEvent): number {
    const { data, stream } = event;
    const files = recordsIn(data, 'files');
    const first = Number(data['first_idx']);
    const time = timeOf(event);
    const dataset = idOf(stream);
    const status = data['declared'] === true ? 'declared' : 'registering';
    this.statements
      .of(
        `INSERT INTO ${this.tables.files} (dataset_uid, idx, file_name, path, status, create_time, update_time)
         SELECT ?1, ?2 + key, value ->> 'name', value ->> 'path', ?3, ?4, ?4 FROM json_each(?5) WHERE true
         ON CONFLICT (dataset_uid, idx) DO NOTHING`,
      )
      .run(dataset, first, status, time, JSON.stringify(files.map(({ name, path }) => ({ name, path }))));
    return files.length;
  }

  private registerFile(event: RecordedEvent, counts: Differences): void {
    const { data, stream, revision } = event;
    const dataset = String(data['dataset_uid']);
    const status = data['declared'] === true ? 'declared' : 'available';
    const size = sizeIn(data, 'size');
    const place = [dataset, Number(data['idx'])] as const;
    const known = [idOf(stream), status, valueIn(data, 'path'), size, valueIn(data, 'check_sum')];
    const more = [valueIn(data, 'sha256'), valueIn(data, 'job'), timeOf(event), revision];
    const name = valueIn(data, 'file_name');
    let { changes } = this.statements.of(this.registers.named).run(...known, ...more, ...place, name);
    if (changes === 0)
      ({ changes } = this.statements.of(this.registers.renamed).run(...known, ...more, name, ...place));
    if (changes === 0 && this.files.has(stream)) return;
    if (changes === 0) throw new Error(`${dataset} has no place ${String(data['idx'])} for ${stream}`);
    this.count(counts, dataset, status, size ?? 0, 1);
  }

  private count(counts: Differences, dataset: string, status: string, size: number, by: 1 | -1): void {
    const column = COUNTED[status];
    if (column === undefined) return;
    counts.add(dataset, column, by);
    if (status === 'available') counts.add(dataset, 'bytes', by * size);
  }
}

/** Statements that give a place its file. */
interface Registers {
  /**
   * Under the name that was taken for it, as nearly always: the name is in an index, which is left alone then. The plus keeps SQLite from
   * looking by the name.
   */
  readonly named: string;
  readonly renamed: string;
}

function registersOf(files: string): Registers {
  const set = `UPDATE ${files} SET uid = ?, status = ?, path = ?, size = ?, check_sum = ?, sha256 = ?, producer_job = ?,
    update_time = ?, revision = ?`;
  const where = 'WHERE dataset_uid = ? AND idx = ? AND uid IS NULL';
  return { named: `${set} ${where} AND +file_name = ?`, renamed: `${set}, file_name = ? ${where}` };
}

/** What an event says of a file's content and place. */
function contentOf({ type, data }: RecordedEvent): Record<string, SqlValue> {
  if (type === ORDER_ACCEPTED) return {};
  if (type === 'FileAvailable')
    return {
      ...columns(data, 'file_name path check_sum sha256'),
      size: sizeIn(data, 'size'),
      producer_job: valueIn(data, 'job'),
      remarks: null,
    };
  if (type === 'FileVerified')
    return { ...columns(data, 'check_sum sha256'), size: sizeIn(data, 'size'), remarks: null };
  if (type === 'FileDeclaredAgain')
    return {
      size: null,
      check_sum: null,
      sha256: null,
      producer_job: null,
      remarks: valueIn(data, 'reason'),
    };
  return { remarks: valueIn(data, 'detail') ?? valueIn(data, 'reason') };
}

/** What lists of columns name, taken apart once. */
const NAMES = new Map<string, readonly string[]>();

export function namesIn(list: string): readonly string[] {
  const known = NAMES.get(list);
  if (known !== undefined) return known;
  const names = list.split(' ');
  NAMES.set(list, names);
  return names;
}

/** @param names the program's own */
export function columns(data: RecordedEvent['data'], names: string): Record<string, SqlValue> {
  const found: Record<string, SqlValue> = {};
  for (const name of namesIn(names)) found[name] = valueIn(data, name);
  return found;
}
