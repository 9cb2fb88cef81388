/**
 * The page that Prometheus reads.
 *
 * Guarantees: nothing is gathered but for who reads, and then once for all who read within a second; what can't be gathered, or not
 * in time, is left out, told in the log once and counted, and keeps the others from nothing; what still gathers is not asked again.
 */

import type { Logger } from 'pino';
import { orAborted } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { ToldFailures } from '../../base/told-failures.js';
import { assertMetrics, type GatheredMetric, type MetricGroup, metricGroup } from './metric.js';
import { Tally } from './tally.js';

export interface MetricsText {
  readonly type: string;
  readonly text: string;
}

export interface MetricsPageOptions {
  readonly groups: readonly MetricGroup[];
  readonly clock: Clock;
  readonly logger: Logger;
}

const FRESH_MS = 1_000;
/** Prometheus waits for ten seconds by default. */
const GATHERED_WITHIN_MS = 5_000;

export class MetricsPage {
  private readonly options: MetricsPageOptions;
  private readonly groups: readonly MetricGroup[];
  private readonly told: ToldFailures;
  private readonly failures: Tally;
  private readonly gathering = new Set<MetricGroup>();
  private reading: Promise<MetricsText> | undefined;
  private readAt = Number.NEGATIVE_INFINITY;

  /** @throws Error for a metric that is declared against the rules of metric.ts */
  constructor(options: MetricsPageOptions) {
    this.options = options;
    this.told = new ToldFailures(options.logger);
    this.failures = new Tally(options.groups.map(({ name }): [string] => [name]));
    this.groups = [...options.groups, this.ownGroup()];
    assertMetrics(this.groups, () => true);
  }

  read(): Promise<MetricsText> {
    const now = this.options.clock.monotonic();
    if (this.reading === undefined || now - this.readAt >= FRESH_MS) {
      this.readAt = Number.POSITIVE_INFINITY;
      this.reading = this.readAnew();
    }
    return this.reading;
  }

  private async readAnew(): Promise<MetricsText> {
    try {
      // Loaded here: where nobody reads, nothing needs it.
      const { EXPOSITION_TYPE, expositionOf } = await import('./exposition.js');
      // Its own come last: they count what the others came to.
      const [own, ...others] = this.groups.toReversed();
      const gathered = await Promise.all(others.toReversed().map((group) => this.gather(group)));
      const all = [...gathered.flat(), ...(own === undefined ? [] : await own.gather())];
      return { type: EXPOSITION_TYPE, text: await expositionOf(all) };
    } finally {
      this.readAt = this.options.clock.monotonic();
    }
  }

  private async gather(group: MetricGroup): Promise<readonly GatheredMetric[]> {
    const { name } = group;
    try {
      if (this.gathering.has(group)) throw new Error('it is still being gathered for an earlier scrape');
      this.gathering.add(group);
      const gathering = group.gather().finally(() => this.gathering.delete(group));
      const gathered = await this.inTime(gathering);
      this.told.forget(name);
      return gathered;
    } catch (error) {
      this.failures.add(name);
      this.told.tell(name, error, 'metrics could not be gathered and are left out', { metrics: name });
      return [];
    }
  }

  private async inTime<T>(gathering: Promise<T>): Promise<T> {
    const late = new AbortController();
    const inTime = this.options.clock.after(GATHERED_WITHIN_MS, () => {
      late.abort(new Error(`it takes more than ${GATHERED_WITHIN_MS / 1000} seconds`));
    });
    try {
      return await orAborted(gathering, late.signal);
    } finally {
      inTime();
    }
  }

  private ownGroup(): MetricGroup {
    return metricGroup({
      name: 'metrics',
      gather: () => this.failures,
      metrics: [
        {
          name: 'owl_metrics_failures_total',
          help: 'Scrapes for which a group of metrics could not be gathered and was left out',
          type: 'counter',
          labels: ['group'],
          samples: (failures) => failures.samples(['group']),
        },
      ],
    });
  }
}
