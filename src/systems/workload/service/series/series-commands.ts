/**
 * Series as actors, and what may be wanted of one, as decisions from its state to the events that follow.
 *
 * Guarantees: pure and repeatable; what a loop decides from its read model is judged by the state of the series, so that two nodes, or one
 * that was killed in between, begin and end nothing twice.
 */

import {
  SERIES_EVENTS,
  type SeriesEvent,
  type SeriesSnapshot,
  seriesMachine,
} from '../../../../../machines/workload/series.js';
import { OwlError } from '../../../../base/errors.js';
import type { ActorType } from '../../../../runtime/actors/actor-type.js';

export const series: ActorType<typeof seriesMachine> = {
  category: 'wl_series',
  version: 1,
  machine: seriesMachine,
  events: SERIES_EVENTS,
  isOver: ({ value }) => value === 'finished' || value === 'cancelled',
};

type Decision = (snapshot: SeriesSnapshot) => SeriesEvent[];
type DataOf<T extends SeriesEvent['type']> = Extract<SeriesEvent, { type: T }>['data'];
export type SeriesOrder = DataOf<'SeriesCreated'>;
export type SeriesFailure = DataOf<'SeriesFailed'>;

/** @throws OwlError kind `exists` */
export function create(snapshot: SeriesSnapshot, uid: string, order: SeriesOrder | undefined): SeriesEvent[] {
  if (snapshot.value !== 'absent' || order === undefined)
    throw new OwlError('exists', `there is a series ${uid} already`);
  return [{ type: 'SeriesCreated', data: order }];
}

/** That one begins. Nothing where it has, or where there is no room for it. */
export function begin(index: number, dataset: string): Decision {
  return (snapshot) =>
    mayBegin(snapshot) && snapshot.context.begun === index
      ? [{ type: 'SeriesDatasetBegun', data: { index, dataset } }]
      : [];
}

export function mayBegin({ value, context }: SeriesSnapshot): boolean {
  const { begun, datasets, underWay, concurrency } = context;
  return (value === 'created' || value === 'running') && begun < datasets && underWay.length < concurrency;
}

/** One ends that is under way, or that never begins. */
export function end(data: DataOf<'SeriesDatasetEnded'>): Decision {
  return (snapshot) => {
    const { index, outcome } = data;
    const isUnderWay = snapshot.context.underWay.includes(index);
    const neverBegins = mayBegin(snapshot) && snapshot.context.begun === index && outcome === 'passed_over';
    return isUnderWay || neverBegins ? [{ type: 'SeriesDatasetEnded', data }] : [];
  };
}

export function fail(failure: SeriesFailure): Decision {
  return ({ value, context }) =>
    value === 'running' && context.underWay.includes(failure.index)
      ? [{ type: 'SeriesFailed', data: failure }]
      : [];
}

/** What it failed for has been mended. */
export const resume: Decision = ({ value }) =>
  value === 'failed' ? [{ type: 'SeriesResumed', data: {} }] : [];

/** It has ended when nothing of it is under way and nothing more will be. */
export const conclude: Decision = ({ value, context }) => {
  const { datasets, finished, passedOver, underWay } = context;
  const data = { finished, passed_over: passedOver };
  if (value === 'cancelling' && underWay.length === 0) return [{ type: 'SeriesCancelled', data }];
  return value === 'running' && finished + passedOver === datasets ? [{ type: 'SeriesFinished', data }] : [];
};

/** Asked for once more it changes nothing. @throws OwlError kind `not_found`, or `refused` where it has finished */
export function cancel(uid: string, reason: string | undefined): Decision {
  return ({ value }) => {
    if (value === 'absent')
      throw new OwlError('not_found', `there is no series ${uid}`, { reason: 'series_not_found' });
    if (value === 'cancelling' || value === 'cancelled') return [];
    if (value === 'finished')
      throw new OwlError('refused', `series ${uid} is finished; nothing of it can be cancelled`, {
        reason: 'transition_refused',
      });
    return [{ type: 'SeriesCancelRequested', data: reason === undefined ? {} : { reason } }];
  };
}
