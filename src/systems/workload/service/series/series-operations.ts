/** What can be asked for about series. */

import type { z } from 'zod';
import {
  MOST_AT_ONCE,
  MOST_DATASETS_OF_A_SERIES,
  MOST_STEPS_OF_A_SERIES,
} from '../../../../../machines/workload/series.js';
import * as rules from '../../../../base/field-rules.js';
import { commandId, uid } from '../../../../node/entities/entity-messages.js';
import { entityOperations, ORDERERS, pageFields } from '../../../../node/entities/entity-operations.js';
import {
  explicit,
  flag,
  int64,
  list,
  message,
  number,
  oneOf,
  request,
  text,
  whole,
} from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';
import { ENTITY } from '../shown/entities.js';
import { submitTask } from '../tasks/task-operations.js';

const SERVICE = 'workload.SeriesManager';
const LONGEST_NAME = 150;

export const SERIES_STATES = [
  ...(['created', 'running', 'failed', 'cancelling', 'finished', 'cancelled'] as const),
];

/** The order of a task without what it reads. */
const template = submitTask.request.omit({ data_in_uid: true, uid: true, command_id: true });
export type Template = z.output<typeof template>;

const some = text().optional();
const count = int64().optional();
const instant = number(undefined, { description: 'Unix seconds' });

const seriesDataset = message('workload.SeriesDataset', {
  index: int64({ description: 'Counted from 0.' }).optional(),
  ...{ dataset_uid: some, name: some },
  state: text(undefined, { description: 'waiting, under_way, finished or passed_over' }).optional(),
  task_ids: list(int64(), { description: 'Of its tasks, step by step, as far as they are registered.' }),
  remarks: some,
});

const step = message('workload.TaskTemplate', {
  ...{ executable: some, args: some, rank: count, device_type: some, mode: some },
  ...{ storage_url: some, data_out_url: some, retries: explicit(int64()), files_per_job: explicit(int64()) },
  ...{ max_failed_jobs: count, require_complete: explicit(flag()), until_one: flag().optional() },
  ...{ timeout_seconds: explicit(int64()), memory_mib: explicit(int64()), name: some },
});

export const seriesMessage = message('workload.Series', {
  ...{ series_id: count, uid: some, name: some },
  state: text(undefined, { description: SERIES_STATES.join(', ') }).optional(),
  ...{ concurrency: count, datasets_total: count, datasets_under_way: count, datasets_finished: count },
  datasets_passed_over: int64({ description: 'They were cancelled.' }).optional(),
  steps_total: count,
  ...{ create_time: instant.optional(), update_time: instant.optional(), end_time: explicit(instant) },
  remarks: text(undefined, { description: 'How far it is, why it waits, or how it ended.' }).optional(),
  revision: count,
  ...{ datasets: list(seriesDataset), steps: list(step) },
});

export const submitSeries = operation({
  service: SERVICE,
  name: 'series_submit',
  kind: 'decision',
  roles: ORDERERS,
  choosesProgram: true,
  http: { method: 'POST', path: '/series', success: 201 },
  summary: 'Orders that datasets go through the same steps of tasks, one after another.',
  request: request({
    name: text(rules.isLine(LONGEST_NAME), { maxLength: LONGEST_NAME }),
    datasets: list(text(undefined, { maxLength: 36 }), {
      most: MOST_DATASETS_OF_A_SERIES,
      noun: 'datasets',
      description: 'Their uids, in order; they may be registered and empty.',
    }),
    steps: list(template, {
      most: MOST_STEPS_OF_A_SERIES,
      noun: 'steps',
      description: 'The first reads the dataset, each further one what the one before it writes.',
    }),
    concurrency: explicit(
      whole(1, MOST_AT_ONCE, { description: 'Datasets that may be under way at once. Default 1.' }),
    ),
    uid: uid({ description: 'Given by the caller, or made.' }).optional(),
    command_id: commandId.optional(),
  }),
  answer: seriesMessage,
  commandId: 'command_id',
  creates: 'uid',
});

const series = entityOperations({
  ...{ messages: ENTITY, service: SERVICE, noun: 'series', path: '/series', answer: seriesMessage },
});

export const seriesStatus = series.status(
  'One series with its datasets, how far it is and why it waits.',
  ENTITY.request,
);

export const listSeries = series.list(
  'Series in pages, by when they were submitted, without their datasets.',
  request({
    ...pageFields('Default 100.'),
    state: list(oneOf(SERIES_STATES), { description: 'Any of these; all when empty.' }),
  }),
  message('workload.SeriesList', {
    series: list(seriesMessage),
    next_page_token: text(undefined, { description: 'Missing on the last page.' }).optional(),
  }),
);

export const cancelSeries = series.order(
  'cancel',
  'Answered once it is durable; cancelled once none of its tasks lives any more. What they read stays.',
  { success: 202 },
);

export const seriesHistory = series.history();
