/** What can be asked for about datasets and their files. */

import { commandId, reason, uid } from '../../../../node/entities/entity-messages.js';
import {
  entityOperations,
  ORDERERS,
  pageFields,
  query,
} from '../../../../node/entities/entity-operations.js';
import {
  explicit,
  flag,
  int64,
  list,
  message,
  oneOf,
  request,
  text,
  whole,
} from '../../../../node/operations/fields.js';
import { operation } from '../../../../node/operations/operation.js';
import { ENTITY } from '../shown/entities.js';
import { datasetMessage, fileMessage, newDatasets, newFiles } from './dataset-messages.js';

export const DATASETS = 'workload.DatasetManager';

export const DATASET_STATES = ['registered', 'open', 'sealed', 'closed', 'cancelling', 'aborted'] as const;
export const FILE_STATES = [
  ...['registering', 'declared', 'available'],
  ...['missing', 'corrupt', 'failed', 'discarded'],
] as const;

/** Seconds: an answer has to come in time. */
const LONGEST_WAIT = 20;

const datasets = entityOperations({
  ...{ messages: ENTITY, service: DATASETS, noun: 'dataset', path: '/datasets', answer: datasetMessage },
});

export const registerDatasets = operation({
  service: DATASETS,
  name: 'dataset_register',
  kind: 'decision',
  roles: ORDERERS,
  http: { method: 'POST', path: '/datasets', success: 201, bodyList: 'datasets' },
  summary: 'Registers datasets before there is anything in them: all of them, or none.',
  request: request({ datasets: newDatasets, command_id: commandId.optional() }),
  answer: message('workload.DatasetRegistered', { datasets: list(datasetMessage) }),
  commandId: 'command_id',
  isOfOneThing: true,
});

const passedOver = message('workload.PassedOver', {
  file_name: text().optional(),
  reason: text().optional(),
});

const added = message('workload.DatasetAdded', {
  added: int64().optional(),
  first_idx: int64({ description: 'The place of the first of them.' }).optional(),
  files: int64({ description: 'In the dataset by now.' }).optional(),
  passed_over: int64({ description: 'Of a scan: what was there and could not be taken.' }).optional(),
  examples: list(passedOver),
});

export const addFiles = operation({
  service: DATASETS,
  name: 'dataset_add',
  kind: 'decision',
  roles: ORDERERS,
  http: { method: 'POST', path: '/datasets/{uid}/files', success: 201, inQuery: ['scan'] },
  summary: 'Adds files at the end of a dataset: all of them, or none.',
  request: request({
    uid: uid(),
    files: newFiles,
    command_id: commandId.optional(),
    scan: flag({
      description:
        "Instead of files: what is in the dataset's storage_url and not in it yet, as dataset_scan does.",
    }).optional(),
  }),
  answer: added,
  commandId: 'command_id',
});

const order = request({ uid: uid(), reason: reason.optional(), command_id: commandId.optional() });

export const scanDataset = operation({
  service: DATASETS,
  name: 'dataset_scan',
  kind: 'decision',
  roles: ORDERERS,
  http: { method: 'POST', path: '/datasets/{uid}/scan', success: 201 },
  summary:
    "Adds what is in the dataset's storage_url and not in the dataset yet, with sizes and check sums, by name.",
  request: request({ uid: uid(), command_id: commandId.optional() }),
  answer: added,
  commandId: 'command_id',
});

export const verifyDataset = operation({
  service: DATASETS,
  name: 'dataset_verify',
  kind: 'decision',
  roles: ORDERERS,
  http: {
    method: 'POST',
    path: '/datasets/{uid}/verify',
    success: 202,
    over: { field: 'status', at: ['done'] },
  },
  summary: 'Looks at every file of a dataset: whether it is there, and whether it is what it was.',
  description:
    'What is found is the state of each file from then on, and is counted in the answer. With wait_seconds it is answered how far it is; sent again with the same key it is followed until it is done. Left out, the answer comes at the end: where there is too much to read for one (503), it goes on all the same, and sent again with the same key, it waits for the rest.',
  request: request({
    ...{ uid: uid(), reason: reason.optional(), command_id: commandId.optional() },
    wait_seconds: explicit(
      whole(0, LONGEST_WAIT, {
        description: 'After so long it is answered how far it is. With an Idempotency-Key alone.',
      }),
    ),
  }),
  answer: message('workload.DatasetVerified', {
    status: text(undefined, { description: 'under_way or done, where wait_seconds was given.' }).optional(),
    files: int64({ description: 'That are looked at, while it is under way.' }).optional(),
    looked_at: int64().optional(),
    missing: int64().optional(),
    corrupt: int64().optional(),
    unreadable: int64({ description: 'That could not be read now: nothing is stored of them.' }).optional(),
    examples: list(passedOver),
  }),
  commandId: 'command_id',
});

export const collectDataset = operation({
  service: DATASETS,
  name: 'dataset_gc',
  kind: 'decision',
  roles: ['operator'],
  http: { method: 'POST', path: '/datasets/{uid}/gc' },
  summary:
    "Removes what attempts that do not count have left beside the files of a task's dataset, once nothing of the task runs any more.",
  request: order,
  answer: message('workload.DatasetCollected', {
    removed: int64().optional(),
    bytes: int64().optional(),
  }),
  commandId: 'command_id',
});

export const closeDataset = operation({
  service: DATASETS,
  name: 'dataset_close',
  kind: 'decision',
  roles: ORDERERS,
  http: {
    ...{ method: 'POST', path: '/datasets/{uid}/close', success: 202 },
    over: { field: 'status', at: ['closed'] },
  },
  summary:
    'Seals a dataset: nothing is added any more. It is closed at once when no file of it is unsettled, else as soon as none is.',
  request: request({
    uid: uid(),
    force: flag({ description: 'Though fewer files are in it than were expected.' }).optional(),
    reason: reason.optional(),
    command_id: commandId.optional(),
  }),
  answer: datasetMessage,
  commandId: 'command_id',
});

export const cancelDataset = operation({
  service: DATASETS,
  name: 'dataset_cancel',
  kind: 'decision',
  roles: ORDERERS,
  http: { method: 'POST', path: '/datasets/{uid}/cancel', success: 202 },
  summary:
    'Cancels every living task that reads or writes a dataset; once none of them lives it is aborted. What is closed stays so.',
  request: order,
  answer: datasetMessage,
  commandId: 'command_id',
});

export const datasetStatus = datasets.status('One dataset, as it is or as it was.', ENTITY.look);

export const listDatasets = datasets.list(
  'Datasets in pages, by their running numbers.',
  request({
    ...pageFields(),
    status: list(oneOf(DATASET_STATES), { description: 'Any of these; all when empty.' }),
  }),
  message('workload.DatasetList', { datasets: list(datasetMessage), next_page_token: text().optional() }),
);

const { page_size, page_token } = pageFields();

export const listFiles = query({
  ...{ service: DATASETS, name: 'dataset_files', path: '/datasets/{uid}/files' },
  summary: 'The files of a dataset in pages, by their places.',
  request: request({
    ...{ uid: uid(), page_size, page_token },
    status: list(oneOf(FILE_STATES), { description: 'Any of these; all when empty.' }),
  }),
  answer: message('workload.FileList', { files: list(fileMessage), next_page_token: text().optional() }),
});

export const datasetHistory = datasets.history();
