/**
 * The read model of workloads: datasets and their files, tasks, jobs and the files that those use, pilots, series, switches. One projection, for a row of one
 * table names the running number of another's, and a task counts its jobs, a dataset its files: they change together, exactly once.
 */

import { type Database, KeptStatements } from '../../src/base/sql.js';
import { categoryOf, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import type { Projection, ProjectionWriter } from '../../src/runtime/read-models/projection.js';
import { DatasetRows } from './dataset-rows.js';
import { JobRows } from './job-rows.js';
import { PilotRows } from './pilot-rows.js';
import { Differences } from './rows.js';
import { SERIES, SERIES_DATASETS, SeriesRows } from './series-rows.js';
import { SWITCHES, SwitchRows } from './switch-rows.js';
import { DATASETS, FILES, JOB_FILES, JOBS, PILOTS, TASKS } from './tables.js';
import { TaskRows } from './task-rows.js';

const OTHERS = [JOBS, JOB_FILES, DATASETS, FILES, PILOTS, SWITCHES, SERIES, SERIES_DATASETS];

export const workload: Projection = {
  name: 'workload',
  version: 5,
  categories: [
    'wl_catalogue',
    'wl_dataset',
    'wl_file',
    'wl_task',
    'wl_job',
    'wl_pilot',
    'wl_series',
    'wl_switch',
  ],
  ...TASKS,
  otherTables: OTHERS,
  writer: (db, tasks, ...others) => new WorkloadWriter(db, tasks, others),
};

class WorkloadWriter implements ProjectionWriter {
  private readonly statements: KeptStatements;
  private readonly names: { readonly tasks: string; readonly datasets: string };
  private readonly datasets: DatasetRows;
  private readonly tasks: TaskRows;
  private readonly jobs: JobRows;
  private readonly pilots: PilotRows;
  private readonly series: SeriesRows;
  private readonly switches: SwitchRows;

  constructor(db: Database, tasks: string, others: readonly string[]) {
    const [
      jobs = '',
      jobFiles = '',
      datasets = '',
      files = '',
      pilots = '',
      switches = '',
      series = '',
      members = '',
    ] = OTHERS.map(({ table }, i) => others[i] ?? table);
    this.statements = new KeptStatements(db);
    this.names = { tasks, datasets };
    this.datasets = new DatasetRows(this.statements, { datasets, files });
    this.tasks = new TaskRows(this.statements, { tasks, jobs, datasets });
    this.jobs = new JobRows(this.statements, { jobs, jobFiles, tasks, pilots, datasets, files });
    this.pilots = new PilotRows(this.statements, pilots);
    this.series = new SeriesRows(this.statements, { series, members, datasets });
    this.switches = new SwitchRows(this.statements, switches);
  }

  forget(): void {
    this.jobs.forget();
  }

  apply(events: readonly RecordedEvent[]): void {
    const ofDatasets = new Differences();
    const ofTasks = new Differences();
    this.jobs.begin();
    for (const event of events) {
      const category = categoryOf(event.stream);
      if (category !== 'wl_job') this.jobs.write(ofTasks);
      if (category === 'wl_job') this.jobs.apply(event, ofTasks);
      else if (category === 'wl_file') this.datasets.applyFile(event, ofDatasets);
      else if (category === 'wl_task') this.tasks.apply(event);
      else if (category === 'wl_catalogue') this.datasets.enter(event);
      else if (category === 'wl_pilot') this.pilots.apply(event);
      else if (category === 'wl_series') this.series.apply(event);
      else if (category === 'wl_switch') this.switches.apply(event);
      else this.datasets.applyDataset(event);
    }
    this.jobs.write(ofTasks);
    ofDatasets.write(this.statements, this.names.datasets, 'uid');
    ofTasks.write(this.statements, this.names.tasks, 'task_id');
  }
}
