/** Series: datasets begin in order, each once, and never more at once than were allowed. */

import t from 'tap';
import { SERIES_EVENTS, type SeriesEvent, seriesMachine } from '../../../machines/workload/series.js';
import type { ActorType } from '../../../src/runtime/actors/actor-type.js';
import { happens, specificationOf } from '../../support/given.js';
import { checkEveryState } from './state-table.js';

const series: ActorType<typeof seriesMachine> = {
  category: 'wl_series',
  version: 1,
  machine: seriesMachine,
  events: SERIES_EVENTS,
};

const STEP = {
  ...{ executable: 'sort', rank: 0, device_type: 'cpu', mode: 'map', retries: 3, data_out_url: 'file:///o' },
  ...{ files_per_job: 1, max_failed_jobs: 0, require_complete: true, until_one: false },
};
const created = (datasets: number, concurrency: number): SeriesEvent => ({
  type: 'SeriesCreated',
  data: {
    ...{ name: 'runs', datasets: Array.from({ length: datasets }, (_, i) => `d${i}`), concurrency },
    steps: [STEP],
  },
});
const begun = (index: number): SeriesEvent => ({
  type: 'SeriesDatasetBegun',
  data: { index, dataset: `d${index}` },
});
const ended = (index: number, outcome = 'finished'): SeriesEvent => ({
  type: 'SeriesDatasetEnded',
  data: { index, outcome },
});
const failed: SeriesEvent = {
  type: 'SeriesFailed',
  data: { index: 0, step: 0, task: 't', reason: 'it failed' },
};
const counts = (finished: number, passed_over: number) => ({ finished, passed_over });

checkEveryState({
  type: series,
  examples: [
    created(1, 1),
    begun(0),
    ended(0),
    failed,
    { type: 'SeriesResumed', data: {} },
    { type: 'SeriesCancelRequested', data: { reason: 'wrong steps' } },
    { type: 'SeriesFinished', data: counts(1, 0) },
    { type: 'SeriesCancelled', data: counts(1, 0) },
  ],
  given: {
    absent: [],
    created: [created(1, 1)],
    running: [created(1, 1), begun(0)],
    failed: [created(1, 1), begun(0), failed],
    cancelling: [created(1, 1), begun(0), 'SeriesCancelRequested'],
    finished: [created(1, 1), begun(0), ended(0), 'SeriesFinished'],
    cancelled: [created(1, 1), begun(0), 'SeriesCancelRequested', ended(0), 'SeriesCancelled'],
  },
  after: {
    absent: { SeriesCreated: 'created' },
    created: { SeriesDatasetBegun: 'running', SeriesCancelRequested: 'cancelling' },
    running: { SeriesDatasetEnded: 'running', SeriesFailed: 'failed', SeriesCancelRequested: 'cancelling' },
    failed: { SeriesDatasetEnded: 'failed', SeriesResumed: 'running', SeriesCancelRequested: 'cancelling' },
    cancelling: { SeriesDatasetEnded: 'cancelling' },
    finished: {},
    cancelled: {},
  },
});

const given = specificationOf(series);
const refused = { kind: 'refused', message: /is not possible/ } as const;

t.test('never more are under way than were allowed, and each begins in its turn, once', async (t) => {
  const one = given([created(3, 1), begun(0)]);
  for (const wrong of [begun(0), begun(1), begun(2)]) one.when(happens(wrong)).then(t, refused);
  const two = given([created(3, 2), begun(0), begun(1)]);
  two.when(happens(begun(2))).then(t, refused);
  const later = given([created(3, 2), begun(0), begun(1), ended(1)]);
  later.when(happens(begun(2))).then(t, [begun(2)], { context: { underWay: [0, 2], begun: 3, finished: 1 } });
  later.when(happens(ended(1))).then(t, refused);
});

t.test('what was cancelled before it began is passed over in its turn', async (t) => {
  const over = ended(0, 'passed_over');
  const next = given([created(2, 1)]);
  next.when(happens(over)).then(t, [over], { value: 'running', context: { begun: 1, passedOver: 1 } });
  next.when(happens(ended(1, 'passed_over'))).then(t, refused);
  next.when(happens(ended(0))).then(t, refused);
});

t.test('it has ended with its last dataset, and not before', async (t) => {
  const finished = (one: number, over: number): SeriesEvent => ({
    type: 'SeriesFinished',
    data: counts(one, over),
  });
  const half = given([created(2, 1), begun(0), ended(0)]);
  half.when(happens(finished(1, 0))).then(t, refused);
  const all = given([created(2, 1), begun(0), ended(0), ended(1, 'passed_over')]);
  all.when(happens(finished(2, 0))).then(t, refused);
  all.when(happens(finished(1, 1))).then(t, [finished(1, 1)], { value: 'finished' });
  given([])
    .when(happens(created(0, 1)))
    .then(t, refused);
});
