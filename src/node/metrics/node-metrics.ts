/**
 * Metrics of how a node is: gathered at a scrape from what its parts tell of themselves, each asked once.
 *
 * Guarantee: labels are names that are declared; of what is parked, waits or was denied there are counts alone.
 */

import type { LoopStatus } from '../../runtime/loops/loop-status.js';
import type { FollowerStatus } from '../../runtime/readers/follower.js';
import type { Runtime, RuntimeStatus } from '../../runtime/runtime.js';
import type { Access } from '../access/access.js';
import { type Health, STORE } from '../health.js';
import { type Metric, type MetricGroup, metricGroup, one } from './metric.js';
import type { Labels, Sample } from './samples.js';
import { Tally } from './tally.js';

export interface NodeMetricsOptions {
  readonly runtime: Pick<Runtime, 'status'>;
  readonly health: Pick<Health, 'reason' | 'reasonOf'>;
  readonly access: Pick<Access, 'denied'>;
  /** An actor type has timers, so that they follow the store. */
  readonly hasTimers: boolean;
  readonly version: string;
}

type Told = Metric<RuntimeStatus>;

/** Rests on nothing that fails together with the node: it has to be told then. */
export function healthMetrics({ health, version }: NodeMetricsOptions): MetricGroup {
  return metricGroup({ name: 'health', gather: () => health, metrics: metricsOfHealth(version) });
}

export function nodeMetrics(options: NodeMetricsOptions): MetricGroup {
  const { runtime, access, hasTimers } = options;
  return metricGroup({
    name: 'node',
    gather: () => runtime.status(),
    metrics: [
      ...readerMetrics(hasTimers),
      ...timerMetrics(),
      loopMetric(),
      {
        name: 'owl_live_actors',
        help: 'Actors in memory',
        type: 'gauge',
        samples: ({ liveActors }) => one(liveActors),
      },
      {
        name: 'owl_calls_denied_total',
        help: 'Calls of who may not make them, over gRPC and HTTP',
        type: 'counter',
        labels: ['kind'],
        samples: () => deniedByKind(access),
      },
    ],
  });
}

function metricsOfHealth(version: string): Metric<NodeMetricsOptions['health']>[] {
  return [
    {
      name: 'owl_build_info',
      help: '1, with the versions of owl and Node',
      type: 'gauge',
      labels: ['version', 'node'],
      samples: () => [{ labels: { version, node: process.version }, value: 1 }],
    },
    {
      name: 'owl_serving',
      help: '1 as long as the node can do its work, as health says; owl node status says why not',
      type: 'gauge',
      samples: ({ reason }) => one(reason === undefined ? 1 : 0),
    },
    {
      name: 'owl_store_available',
      help: '1 as long as the event store answers and takes writes',
      type: 'gauge',
      samples: (health) => one(health.reasonOf(STORE) === undefined ? 1 : 0),
    },
  ];
}

interface ReaderTold extends FollowerStatus {
  readonly labels: Labels;
  readonly parked: number;
}

function readerMetrics(hasTimers: boolean): Told[] {
  const labels = ['reader', 'kind'];
  const readers = ({ projections, reactors, timers }: RuntimeStatus): ReaderTold[] => [
    ...projections.map((one) => ({ ...one, labels: { reader: one.name, kind: 'projection' } })),
    ...reactors.map((one) => ({ ...one, labels: { reader: one.name, kind: 'reactor' } })),
    ...(hasTimers ? [{ ...timers.projector, labels: { reader: 'timers', kind: 'timers' } }] : []),
  ];
  const each = (value: (reader: ReaderTold) => number | undefined) => (status: RuntimeStatus) =>
    readers(status).flatMap((reader): Sample[] =>
      one(value(reader)).map((sample) => ({ ...sample, labels: reader.labels })),
    );
  return [
    {
      name: 'owl_reader_behind_seconds',
      help: 'How long ago a projection, a reactor or the timers had handled all that is stored; 0 while they have',
      ...{ type: 'gauge', labels },
      samples: each(({ behindMs }) => behindMs / 1000),
    },
    {
      name: 'owl_reader_progress_ratio',
      help: 'How much of what is stored a reader has handled, from 0 to 1; nothing while that is not known',
      ...{ type: 'gauge', labels },
      samples: each(({ share }) => share),
    },
    {
      name: 'owl_reader_failing',
      help: '1 while a reader does not get on; owl node status says why',
      ...{ type: 'gauge', labels },
      samples: each(({ lastError }) => (lastError === undefined ? 0 : 1)),
    },
    {
      name: 'owl_parked_events',
      help: 'Events that are put aside now, since they could not be applied; owl node redrive applies them',
      ...{ type: 'gauge', labels },
      samples: each(({ parked }) => parked),
    },
    {
      name: 'owl_reactor_retries',
      help: 'Events of a reactor whose commands wait to be sent again',
      ...{ type: 'gauge', labels: ['reactor'] },
      samples: ({ reactors }) =>
        reactors.map(({ name, retrying }) => ({ labels: { reactor: name }, value: retrying })),
    },
  ];
}

function timerMetrics(): Told[] {
  const gauge = (name: string, help: string, value: (timers: RuntimeStatus['timers']) => number): Told => ({
    ...{ name, help, type: 'gauge' },
    samples: ({ timers }) => one(value(timers)),
  });
  return [
    gauge('owl_timers_pending', 'Timers that are set and not carried out', ({ pending }) => pending),
    gauge('owl_timers_firing', 'Timers that are due and being carried out', ({ firing }) => firing),
    gauge('owl_timers_failing', 'Timers that failed and are tried again', ({ failing }) => failing),
    gauge(
      'owl_timers_late_seconds',
      'How long the oldest timer is due that is not carried out',
      ({ lateMs }) => lateMs / 1000,
    ),
  ];
}

const LOOP_STATES: readonly LoopStatus['state'][] = [
  'waiting',
  'elsewhere',
  'running',
  'resting',
  'failing',
  'ended',
];

function loopMetric(): Told {
  return {
    name: 'owl_loop_state',
    help: '1 for the state that a loop is in now, 0 for the others',
    type: 'gauge',
    labels: ['loop', 'state'],
    samples: ({ loops }) =>
      loops.flatMap(({ name: loop, state: now }) =>
        LOOP_STATES.map((state) => ({ labels: { loop, state }, value: state === now ? 1 : 0 })),
      ),
  };
}

function deniedByKind({ denied }: Pick<Access, 'denied'>): Sample[] {
  const tally = new Tally([['unauthenticated'], ['forbidden']]);
  for (const { kind, count } of denied) tally.add(kind, '', count);
  return tally.samples(['kind']);
}
