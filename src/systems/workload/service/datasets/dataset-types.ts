/** Datasets and their files as actors. */

import { DATASET_EVENTS, datasetMachine } from '../../../../../machines/workload/dataset.js';
import { FILE_EVENTS, fileMachine } from '../../../../../machines/workload/file.js';
import type { ActorType } from '../../../../runtime/actors/actor-type.js';

export const dataset: ActorType<typeof datasetMachine> = {
  category: 'wl_dataset',
  version: 1,
  machine: datasetMachine,
  events: DATASET_EVENTS,
};

export const file: ActorType<typeof fileMachine> = {
  category: 'wl_file',
  version: 1,
  machine: fileMachine,
  events: FILE_EVENTS,
};
