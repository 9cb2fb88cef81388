/**
 * Metrics of what happens in a node, counted as its life cycle tells it.
 *
 * Guarantees: each event costs a look-up and an addition, and no text is made of it; labels are names that are declared (categories,
 * projections, loops, methods, kinds of errors), never ids, names of timers or who asked.
 */

import { GRPC_CODE_OF } from '../../base/errors.js';
import type { LifeCycle } from '../../runtime/life-cycle/life-cycle.js';
import { type Metric, type MetricGroup, metricGroup, one } from './metric.js';
import { Durations } from './samples.js';
import { type ServedNames, servingMetrics } from './serving-metrics.js';
import { counter, DurationsBy, histogram, Tally } from './tally.js';

export interface DeclaredNames extends ServedNames {
  readonly categories: readonly string[];
  readonly projections: readonly string[];
  /** Asked at a scrape: there are none before systems are open. */
  loops(): readonly string[];
}

/** Listens until the group is stopped. */
type On = LifeCycle['on'];
type Counted = Metric<undefined>;

const KINDS: readonly string[] = [...Object.keys(GRPC_CODE_OF), 'internal'];
/** From a hundredth of a second to half an hour. */
const LATE_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

export function lifeCycleMetrics(lifeCycle: LifeCycle, names: DeclaredNames): MetricGroup {
  const ignore: (() => void)[] = [];
  const on: On = (type, listener) => {
    const stop = lifeCycle.on(type, listener);
    ignore.push(stop);
    return stop;
  };
  return metricGroup({
    name: 'life_cycle',
    gather: () => undefined,
    metrics: [
      ...commandMetrics(on, names),
      ...appendMetrics(on, names),
      ...flushMetrics(on),
      ...readerMetrics(on, names),
      ...timerMetrics(on, names),
      ...leaseMetrics(on, names),
      ...loopMetrics(on, names),
      ...servingMetrics(on, names),
    ],
    stop: () => {
      for (const stop of ignore) stop();
    },
  });
}

function commandMetrics(on: On, { categories }: DeclaredNames): Counted[] {
  const done = new Tally(
    categories.flatMap((category) => ['caller', ...SENDERS].map((sender) => [category, sender] as const)),
  );
  const refused = new Tally(categories.flatMap((category) => KINDS.map((kind) => [category, kind] as const)));
  const times = new Durations();
  on('command carried out', ({ category, by, tookMs }) => {
    done.add(category, senderOf(by));
    times.observe(tookMs);
  });
  on('command refused', ({ category, kind }) => refused.add(category, kind));
  return [
    {
      name: 'owl_commands_total',
      help: 'Commands that were carried out, by category of actor and by who sent them',
      ...counter(['category', 'sender'], done),
    },
    {
      name: 'owl_commands_refused_total',
      help: 'Commands that were refused or failed, by category of actor and kind of error',
      ...counter(['category', 'kind'], refused),
    },
    {
      name: 'owl_command_duration_seconds',
      help: 'From the arrival of a command at its actor to its answer, where it was carried out',
      ...histogram(times),
    },
  ];
}

function appendMetrics(on: On, { categories }: DeclaredNames): Counted[] {
  const events = new Tally(categories.map((category): [string] => [category]));
  const conflicts = new Tally(categories.map((category): [string] => [category]));
  const failed = new Tally(KINDS.filter((kind) => kind !== 'conflict').map((kind): [string] => [kind]));
  const times = new Durations();
  on('events appended', ({ category, events: count, tookMs }) => {
    events.add(category, '', count);
    times.observe(tookMs);
  });
  on('append failed', ({ category, kind }) => {
    if (kind === 'conflict') conflicts.add(category);
    else failed.add(kind);
  });
  return [
    {
      name: 'owl_events_appended_total',
      help: 'Events that the store has confirmed durably, by category of actor',
      ...counter(['category'], events),
    },
    {
      name: 'owl_append_conflicts_total',
      help: 'Appends that lost a race against another writer, after which it was decided again',
      ...counter(['category'], conflicts),
    },
    {
      name: 'owl_append_failures_total',
      help: 'Appends that failed otherwise, by kind of error',
      ...counter(['kind'], failed),
    },
    {
      name: 'owl_append_duration_seconds',
      help: 'From the sending of an append to its durable confirmation',
      ...histogram(times),
    },
  ];
}

function flushMetrics(on: On): Counted[] {
  const times = new Durations();
  let appends = 0;
  on('store flushed', ({ appends: count, tookMs }) => {
    appends += count;
    times.observe(tookMs);
  });
  // Nothing is known of the time before it was there.
  let wasThere = false;
  let outages = 0;
  on('store back', () => {
    wasThere = true;
  });
  on('store away', () => {
    if (wasThere) outages += 1;
    wasThere = false;
  });
  return [
    {
      name: 'owl_store_flush_duration_seconds',
      help: 'Flushes of the embedded store to the disk; none on EventStoreDB',
      ...histogram(times),
    },
    {
      name: 'owl_store_flushed_appends_total',
      help: 'Appends that these flushes were for',
      type: 'counter',
      samples: () => one(appends),
    },
    {
      name: 'owl_store_outages_total',
      help: 'Times at which the store was away or began to refuse every write',
      type: 'counter',
      samples: () => one(outages),
    },
  ];
}

function readerMetrics(on: On, { projections }: DeclaredNames): Counted[] {
  const applied = new Tally(projections.map((projection): [string] => [projection]));
  on('events applied', ({ projection, events }) => applied.add(projection, '', events));
  return [
    {
      name: 'owl_events_applied_total',
      help: 'Events that were applied to a projection',
      ...counter(['projection'], applied),
    },
  ];
}

function timerMetrics(on: On, { categories }: DeclaredNames): Counted[] {
  const fired = new Tally(categories.map((category): [string] => [category]));
  const late = new Durations(LATE_SECONDS);
  on('timer fired', ({ category, lateMs }) => {
    fired.add(category);
    late.observe(lateMs);
  });
  return [
    {
      name: 'owl_timers_fired_total',
      help: 'Timers that were carried out, by category of actor',
      ...counter(['category'], fired),
    },
    {
      name: 'owl_timer_lateness_seconds',
      help: 'How late timers were carried out',
      ...histogram(late),
    },
  ];
}

function leaseMetrics(on: On, { loops }: DeclaredNames): Counted[] {
  const kept = new Map<string, number>();
  const taken = new Tally();
  const lost = new Tally();
  const know = (what: string) => {
    taken.know(what);
    lost.know(what);
  };
  on('leases kept', ({ what, leases }) => {
    kept.set(what, leases);
    know(what);
  });
  on('lease taken', ({ what }) => taken.add(what));
  on('lease lost', ({ what }) => lost.add(what));
  const all = (tally: Tally) => () => {
    if (loops().length > 0) know('loop');
    return tally.samples(['peer']);
  };
  return [
    {
      name: 'owl_leases',
      help: 'Leases of peers that this node keeps now, by kind of peer',
      type: 'gauge',
      labels: ['peer'],
      samples: () => [...kept].map(([peer, value]) => ({ labels: { peer }, value })),
    },
    {
      name: 'owl_leases_taken_total',
      help: 'Leases that began to be kept here, by kind of peer; loop: that of a loop',
      ...{ type: 'counter', labels: ['peer'], samples: all(taken) },
    },
    {
      name: 'owl_leases_lost_total',
      help: 'Leases whose peer has gone silent; loop: that this node has lost',
      ...{ type: 'counter', labels: ['peer'], samples: all(lost) },
    },
  ];
}

function loopMetrics(on: On, { loops }: DeclaredNames): Counted[] {
  const failures = new Tally();
  const times = new DurationsBy();
  on('loop round', ({ loop, tookMs }) => times.observe(loop, '', tookMs));
  on('loop failed', ({ loop }) => failures.add(loop));
  return [
    {
      name: 'owl_loop_round_duration_seconds',
      help: 'Rounds of a loop that were finished',
      type: 'histogram',
      labels: ['loop'],
      samples: () => {
        for (const loop of loops()) times.know(loop);
        return times.samples(['loop']);
      },
    },
    {
      name: 'owl_loop_failures_total',
      help: 'Rounds of a loop that have failed',
      type: 'counter',
      labels: ['loop'],
      samples: () => {
        for (const loop of loops()) failures.know(loop);
        return failures.samples(['loop']);
      },
    },
  ];
}

/** Who sends commands, as their `by` begins. Everybody else is a caller of the node. */
const SENDERS = ['reactor', 'timer', 'loop', 'lease'] as const;

function senderOf(by: string | undefined): string {
  return (
    SENDERS.find(
      (sender) => by === sender || (by?.startsWith(sender) === true && by[sender.length] === ':'),
    ) ?? 'caller'
  );
}
