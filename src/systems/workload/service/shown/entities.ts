/** The kinds of entities of workload: where their rows are, and the messages about any of them. */

import { entityMessages } from '../../../../node/entities/entity-messages.js';
import type { EntityTable } from '../../../../node/entities/entity-table.js';

export const DATASET: EntityTable = {
  ...{ table: 'dsm_datasets', number: 'dataset_id', uid: 'uid', noun: 'dataset' },
  named: 'producer_task IS NULL',
};
export const TASK: EntityTable = { table: 'task_dat', number: 'task_id', uid: 'uid', noun: 'task' };
export const PILOT: EntityTable = { table: 'pilot_dat', number: 'pilot_id', uid: 'name', noun: 'pilot' };
export const JOB: EntityTable = { table: 'job_dat', number: 'job_id', uid: 'id', noun: 'job' };

export const SERIES: EntityTable = {
  ...{ table: 'wl_series', number: 'series_id', uid: 'uid', noun: 'series', plural: 'series' },
};

export const ENTITY = entityMessages({
  system: 'workload',
  named: 'A uid, a beginning of one that no other has, or a running number; of a dataset its name too.',
  leftOut:
    'What its row counts of other streams is left out: jobs of a task, files of a dataset by their state, samples of a pilot.',
});
