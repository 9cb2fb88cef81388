/**
 * What was gathered, as Prometheus reads it. The one file that imports the library, and loaded with the first scrape.
 *
 * A registry is made for each text: what is not there any more is not told any more. The library's own counting is not used, since
 * it makes a text of all labels each time that it counts.
 */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { GatheredMetric } from './metric.js';
import type { TimedSample } from './samples.js';

export const EXPOSITION_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

export async function expositionOf(metrics: readonly GatheredMetric[]): Promise<string> {
  const registry = new Registry();
  for (const metric of metrics) register(metric, registry);
  return await registry.metrics();
}

function register(metric: GatheredMetric, registry: Registry): void {
  const { name, help, labels = [] } = metric;
  const declared = { name, help, labelNames: labels, registers: [registry] };
  if (metric.type === 'histogram') {
    registry.registerMetric(new Counted({ ...declared, registers: [] }, metric.samples));
    return;
  }
  if (metric.type === 'counter') {
    const counter = new Counter(declared);
    if (labels.length === 0 && metric.samples.length === 0) counter.remove();
    for (const sample of metric.samples) counter.inc(sample.labels ?? {}, sample.value);
    return;
  }
  const gauge = new Gauge(declared);
  // The library tells one without labels as 0, though there is no value now.
  if (labels.length === 0 && metric.samples.length === 0) gauge.remove();
  for (const sample of metric.samples) gauge.set(sample.labels ?? {}, sample.value);
}

interface Declared {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly registers: [];
}

/** A histogram that was counted elsewhere. */
class Counted extends Histogram {
  private readonly declared: Declared;
  private readonly samples: readonly TimedSample[];

  constructor(declared: Declared, samples: readonly TimedSample[]) {
    super(declared);
    this.declared = declared;
    this.samples = samples;
  }

  /** What the registry writes. */
  async getForPromString() {
    const { name, help } = this.declared;
    return { name, help, type: 'histogram', values: this.samples.flatMap((one) => linesOf(name, one)) };
  }
}

function linesOf(name: string, { labels = {}, durations: { bounds, counts, sum, count } }: TimedSample) {
  let upTo = 0;
  const buckets = bounds.map((bound, at) => {
    upTo += counts[at] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: upTo };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
