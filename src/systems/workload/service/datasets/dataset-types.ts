/** The catalogue, datasets and their files as actors. */

import { CATALOGUE_EVENTS, catalogueMachine } from '../../../../../machines/workload/catalogue.js';
import { DATASET_EVENTS, datasetMachine } from '../../../../../machines/workload/dataset.js';
import { FILE_EVENTS, fileMachine } from '../../../../../machines/workload/file.js';
import type { ActorType } from '../../../../runtime/actors/actor-type.js';

export const catalogue: ActorType<typeof catalogueMachine> = {
  category: 'wl_catalogue',
  version: 1,
  machine: catalogueMachine,
  events: CATALOGUE_EVENTS,
};

/** The id of the only one. */
export const CATALOGUE = 'datasets';

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
  // Only what a job is about to write is heard of soon.
  isOver: ({ value }) => value !== 'declared',
};
