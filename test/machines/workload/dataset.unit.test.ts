/** Datasets: each file has one place, nothing is added to what is sealed, closed is for ever. */

import t from 'tap';
import { DATASET_EVENTS, type DatasetEvent, datasetMachine } from '../../../machines/workload/dataset.js';
import type { ActorType } from '../../../src/runtime/actors/actor-type.js';
import { happens, specificationOf } from '../../support/given.js';
import { checkEveryState } from './state-table.js';

const dataset: ActorType<typeof datasetMachine> = {
  category: 'wl_dataset',
  version: 1,
  machine: datasetMachine,
  events: DATASET_EVENTS,
};

const file = (name: string) => ({ name, path: `/data/${name}` });
const added = (first_idx: number, ...names: string[]): DatasetEvent => ({
  type: 'DatasetFilesAdded',
  data: { first_idx, declared: false, files: names.map(file) },
});
const sealed = (files: number): DatasetEvent => ({ type: 'DatasetSealed', data: { files } });
const REGISTERED: DatasetEvent = { type: 'DatasetRegistered', data: { name: 'run 7' } };
const CLOSED: DatasetEvent = {
  type: 'DatasetClosed',
  data: { files_available: 1, files_failed: 0, bytes: '12', complete: true },
};

checkEveryState({
  type: dataset,
  examples: [
    REGISTERED,
    added(1, 'b'),
    sealed(1),
    CLOSED,
    { type: 'DatasetCancelRequested', data: { reason: 'wrong run' } },
    { type: 'DatasetAborted', data: { reason: 'wrong run' } },
  ],
  given: {
    absent: [],
    registered: [REGISTERED],
    open: [REGISTERED, added(0, 'a')],
    sealed: [REGISTERED, added(0, 'a'), sealed(1)],
    closed: [REGISTERED, added(0, 'a'), sealed(1), CLOSED],
    cancelling: [REGISTERED, 'DatasetCancelRequested'],
    aborted: [REGISTERED, 'DatasetAborted'],
  },
  after: {
    absent: { DatasetRegistered: 'registered' },
    registered: { DatasetCancelRequested: 'cancelling', DatasetAborted: 'aborted' },
    open: {
      DatasetFilesAdded: 'open',
      DatasetSealed: 'sealed',
      DatasetCancelRequested: 'cancelling',
      DatasetAborted: 'aborted',
    },
    sealed: { DatasetClosed: 'closed', DatasetCancelRequested: 'cancelling', DatasetAborted: 'aborted' },
    cancelling: { DatasetAborted: 'aborted' },
    closed: {},
    aborted: {},
  },
});

const given = specificationOf(dataset);
const refused = { kind: 'refused', message: /is not possible/ } as const;

t.test('a batch begins where the one before it ended', async (t) => {
  const open = given([REGISTERED, added(0, 'a', 'b')]);
  open.when(happens(added(2, 'c'))).then(t, [added(2, 'c')], { value: 'open', context: { files: 3 } });
  for (const wrong of [added(1, 'c'), added(3, 'c'), added(2)]) open.when(happens(wrong)).then(t, refused);
});

t.test('it is sealed with as many files as are in it, and an empty one is as well', async (t) => {
  given([REGISTERED, added(0, 'a')])
    .when(happens(sealed(2)))
    .then(t, refused);
  given([REGISTERED])
    .when(happens(sealed(0)))
    .then(t, [sealed(0)], { value: 'sealed' });
});

t.test('it is complete when all of its files are there, and only then', async (t) => {
  const closed = (files_available: number, files_failed: number, complete: boolean): DatasetEvent => ({
    type: 'DatasetClosed',
    data: { files_available, files_failed, bytes: '0', complete },
  });
  const whole = given([REGISTERED, added(0, 'a', 'b'), sealed(2)]);
  for (const right of [closed(2, 0, true), closed(1, 1, false), closed(1, 0, false)])
    whole.when(happens(right)).then(t, [right], { value: 'closed' });
  for (const wrong of [closed(1, 1, true), closed(2, 0, false), closed(2, 1, true)])
    whole.when(happens(wrong)).then(t, refused);
});
