/**
 * What a metric is: data, and how its values are gathered at a scrape. Declaring one loads no library.
 *
 * Guarantees: a name says its unit as Prometheus has it (seconds, bytes, ratio; `_total` for what only grows); labels come from
 * what a program declares, never from what a caller says, so there are only so many; a group is gathered once for all of its
 * metrics. `assertMetrics` refuses names that break the rules, when the node starts.
 */

import type { Sample, TimedSample } from './samples.js';

interface MetricHead {
  readonly name: string;
  /** What it counts or measures, with where it begins; ends without a full stop. */
  readonly help: string;
  readonly labels?: readonly string[];
}

export interface NumberMetric<Gathered> extends MetricHead {
  /** `counter`: since this node began. */
  readonly type: 'counter' | 'gauge';
  samples(gathered: Gathered): readonly Sample[];
}

export interface TimeMetric<Gathered> extends MetricHead {
  readonly type: 'histogram';
  samples(gathered: Gathered): readonly TimedSample[];
}

export type Metric<Gathered> = NumberMetric<Gathered> | TimeMetric<Gathered>;

/** A metric with its values. */
export type GatheredMetric = MetricHead &
  (
    | { readonly type: 'counter' | 'gauge'; readonly samples: readonly Sample[] }
    | { readonly type: 'histogram'; readonly samples: readonly TimedSample[] }
  );

/** Metrics that are gathered together. */
export interface MetricGroup {
  /** For the log, and the label of what counts failures. */
  readonly name: string;
  readonly metrics: readonly (MetricHead & { readonly type: Metric<never>['type'] })[];
  /** Called at most once at a time. What it costs has to be bounded, however much there is in the store. */
  gather(): Promise<readonly GatheredMetric[]>;
  /** Nobody reads it any more. */
  stop?(): void;
}

export interface MetricGroupOptions<Gathered> {
  readonly name: string;
  gather(): Gathered | Promise<Gathered>;
  readonly metrics: readonly Metric<Gathered>[];
  stop?(): void;
}

export function metricGroup<Gathered>(options: MetricGroupOptions<Gathered>): MetricGroup {
  const { name, metrics, stop } = options;
  return {
    ...{ name, metrics },
    async gather() {
      const gathered = await options.gather();
      return metrics.map((metric) => withSamples(metric, gathered));
    },
    ...(stop === undefined ? {} : { stop }),
  };
}

function withSamples<Gathered>(metric: Metric<Gathered>, gathered: Gathered): GatheredMetric {
  return metric.type === 'histogram'
    ? { ...metric, samples: metric.samples(gathered) }
    : { ...metric, samples: metric.samples(gathered) };
}

/** One value; undefined: there is none now. */
export function one(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [{ value }];
}

const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const LABEL = /^[a-z][a-z0-9_]*$/;
/** Of what is no count of things that are there. */
const UNITS = ['seconds', 'bytes', 'ratio', 'cores', 'info'];
/** Units in which Prometheus measures nothing. */
const WRONG_UNITS = ['ms', 'milliseconds', 'minutes', 'hours', 'percent', 'mib', 'gib', 'kb', 'mb'];

/**
 * @param prefix what the names of these begin with
 * @throws Error that names the metric and the rule
 */
export function assertMetrics(groups: readonly MetricGroup[], prefix: (name: string) => boolean): void {
  for (const { metrics } of groups)
    for (const metric of metrics) {
      const problem = problemOf(metric, prefix);
      if (problem !== undefined) throw new Error(`the metric ${metric.name} ${problem}`);
    }
  const names = groups.flatMap(({ metrics }) => metrics.map(({ name }) => name));
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) throw new Error(`the metric ${twice} is declared twice`);
}

function problemOf(
  { name, type, help, labels = [] }: MetricGroup['metrics'][number],
  prefix: (name: string) => boolean,
): string | undefined {
  const words = name.split('_');
  const isCounter = words.at(-1) === 'total';
  if (!NAME.test(name)) return 'has a name that is not in snake_case';
  if (!prefix(name)) return 'does not begin with the name of who declares it';
  if (isCounter !== (type === 'counter')) return 'ends with _total exactly when it is a counter';
  if (words.some((word) => WRONG_UNITS.includes(word))) return 'is not in a base unit';
  const at = words.findIndex((word) => UNITS.includes(word));
  if (at >= 0 && at !== words.length - (isCounter ? 2 : 1)) return 'has its unit in the middle';
  if (type === 'histogram' && words.at(-1) !== 'seconds')
    return 'is a histogram of something else than seconds';
  if (help === '' || help.endsWith('.') || help.includes('\n')) return 'has no help of one line';
  const label = labels.find((one) => !LABEL.test(one) || ['le', 'quantile', 'job', 'instance'].includes(one));
  return label === undefined ? undefined : `has a label that is no name of one: ${label}`;
}
