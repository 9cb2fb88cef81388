/** Rows of series and of their datasets, which know by their own rows which series they were put into last. */

import type { KeptStatements, SqlValue } from '../../src/base/sql.js';
import { idOf, ORDER_ACCEPTED, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import type { ProjectionTable } from '../../src/runtime/read-models/projection.js';
import { recordsIn, StreamRows, timeOf, valueIn } from './rows.js';

export const SERIES: ProjectionTable = {
  table: 'wl_series',
  createTable: (table) => `CREATE TABLE ${table} (
    series_id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    concurrency INTEGER NOT NULL,
    datasets INTEGER NOT NULL,
    /* JSON. */
    steps TEXT NOT NULL,
    begun INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0,
    passed_over INTEGER NOT NULL DEFAULT 0,
    create_time REAL NOT NULL,
    update_time REAL NOT NULL,
    end_time REAL,
    remarks TEXT,
    revision INTEGER NOT NULL
  ) STRICT`,
  indexes: [`CREATE INDEX wl_series_by_state ON wl_series (state, series_id)`],
};

export const SERIES_DATASETS: ProjectionTable = {
  table: 'wl_series_datasets',
  createTable: (table) => `CREATE TABLE ${table} (
    series_id INTEGER NOT NULL,
    /* Its place, counted from 0. */
    idx INTEGER NOT NULL,
    dataset_uid TEXT NOT NULL,
    /* waiting, under_way, finished or passed_over */
    state TEXT NOT NULL DEFAULT 'waiting',
    remarks TEXT,
    PRIMARY KEY (series_id, idx)
  ) STRICT, WITHOUT ROWID`,
  indexes: [],
};

const STATE_AFTER: Readonly<Record<string, string>> = {
  SeriesDatasetBegun: 'running',
  SeriesFailed: 'failed',
  SeriesResumed: 'running',
  SeriesCancelRequested: 'cancelling',
  SeriesFinished: 'finished',
  SeriesCancelled: 'cancelled',
};

export class SeriesRows {
  private readonly statements: KeptStatements;
  private readonly tables: { readonly members: string; readonly datasets: string };
  private readonly series: StreamRows;

  constructor(
    statements: KeptStatements,
    tables: { readonly series: string; readonly members: string; readonly datasets: string },
  ) {
    this.statements = statements;
    this.tables = tables;
    this.series = new StreamRows(statements, tables.series, 'uid');
  }

  apply(event: RecordedEvent): void {
    if (event.type === 'SeriesCreated') {
      this.create(event);
      return;
    }
    const row = this.series.before(event, 'series_id, state, begun, finished, passed_over');
    if (row === undefined) return;
    const { type, data } = event;
    const id = Number(row['series_id']);
    const index = Number(data['index']);
    if (type === 'SeriesDatasetBegun') this.member(id, index, 'under_way', null);
    if (type === 'SeriesDatasetEnded')
      this.member(id, index, String(data['outcome']), valueIn(data, 'reason'));
    const set: Record<string, SqlValue> = {};
    if (type in STATE_AFTER) set['state'] = STATE_AFTER[type] ?? null;
    else if (type === 'SeriesDatasetEnded') {
      const counter = data['outcome'] === 'finished' ? 'finished' : 'passed_over';
      set[counter] = Number(row[counter]) + 1;
      if (row['state'] === 'created') set['state'] = 'running';
    } else if (type !== ORDER_ACCEPTED) throw new Error(`${type} is no event of a series`);
    if (type === 'SeriesDatasetBegun' || type === 'SeriesDatasetEnded')
      set['begun'] = Math.max(Number(row['begun']), index + 1);
    if (type === 'SeriesFailed' || type === 'SeriesCancelRequested') set['remarks'] = valueIn(data, 'reason');
    if (type === 'SeriesResumed') set['remarks'] = null;
    if (type === 'SeriesFinished' || type === 'SeriesCancelled') set['end_time'] = timeOf(event);
    this.series.update(event, set);
  }

  private create(event: RecordedEvent): void {
    if (this.series.has(event.stream)) return;
    const { data, stream, revision } = event;
    const time = timeOf(event);
    const id = this.series.next('series_id');
    const uid = idOf(stream);
    const datasets = Array.isArray(data['datasets']) ? data['datasets'].map(String) : [];
    this.series.insert({
      ...{ series_id: id, uid, name: valueIn(data, 'name'), state: 'created' },
      ...{ concurrency: valueIn(data, 'concurrency'), datasets: datasets.length },
      steps: JSON.stringify(recordsIn(data, 'steps')),
      ...{ create_time: time, update_time: time, revision },
    });
    const { members, datasets: table } = this.tables;
    const insert = this.statements.of(
      `INSERT INTO ${members} (series_id, idx, dataset_uid) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    const mark = this.statements.of(`UPDATE ${table} SET series_uid = ?, series_index = ? WHERE uid = ?`);
    for (const [index, dataset] of datasets.entries()) {
      insert.run(id, index, dataset);
      mark.run(uid, index, dataset);
    }
  }

  private member(series: number, index: number, state: string, remarks: SqlValue): void {
    this.statements
      .of(`UPDATE ${this.tables.members} SET state = ?, remarks = ? WHERE series_id = ? AND idx = ?`)
      .run(state, remarks, series, index);
  }
}
