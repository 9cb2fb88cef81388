/**
 * Metrics of jobs and pilots: how many there are in which state, how deep the queues are, how attempts ended, what was refused.
 *
 * Guarantees: labels are states, devices, classes and reasons that owl knows, never ids; states that jobs stay in for ever are counted
 * again only when one has come or gone, and so seldom that it takes a hundredth of the time at the most.
 */

import { workload } from '../../../../../projections/workload/workload.js';
import type { Clock } from '../../../../base/clock.js';
import type { SqlRow } from '../../../../base/sql.js';
import { type Metric, type MetricGroup, metricGroup, one } from '../../../../node/metrics/metric.js';
import type { Sample } from '../../../../node/metrics/samples.js';
import { DurationsBy, Tally } from '../../../../node/metrics/tally.js';
import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { DEVICES } from '../../devices.js';
import { FAULT_OF } from '../jobs/failure-classes.js';
import { type JobQueries, UNDER_WAY } from '../jobs/job-queries.js';
import type { JobQueue } from '../jobs/job-queue.js';
import type { WorkloadContext } from '../workload-context.js';
import type { PilotFigures } from './pilot-figures.js';

const LIVING = ['created', 'queued', 'staging', 'running', 'cancelling'] as const;
const FINAL = ['finished', 'failed', 'cancelled'] as const;
const STATUSES = ['active', 'draining', 'lost', 'detached', 'retired'] as const;
const SHARE_OF_TIME = 0.01;
const GRANT_SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];
const FINISHED = 'finished';

export interface MetricsOptions {
  readonly context: WorkloadContext;
  readonly queries: JobQueries;
  readonly figures: PilotFigures;
  readonly queue: Pick<JobQueue, 'delivered'>;
}

interface Gathered {
  readonly jobs: readonly SqlRow[];
  readonly pilots: readonly SqlRow[];
}

/** Counts from now on what ends and what is granted. */
export function workloadMetrics({ context, queries, figures, queue }: MetricsOptions): MetricGroup {
  const counts = new JobCounts(queries, context.clock);
  const attempts = new Attempts(queries);
  context.runtime.onApplied(workload.name, (events) => {
    for (const event of events) {
      counts.note(event);
      attempts.note(event);
    }
  });
  return metricGroup<Gathered>({
    name: 'workload',
    gather: () => ({ jobs: counts.count(), pilots: queries.pilotCounts() }),
    metrics: [...states(), ...attempts.metrics(), ...refusals(figures, queue)],
  });
}

class JobCounts {
  private readonly queries: JobQueries;
  private readonly clock: Pick<Clock, 'monotonic'>;
  private final: readonly SqlRow[] = [];
  private hasChanged = true;
  /** Monotonic milliseconds. */
  private nextAt = Number.NEGATIVE_INFINITY;

  constructor(queries: JobQueries, clock: Pick<Clock, 'monotonic'>) {
    this.queries = queries;
    this.clock = clock;
  }

  note({ type }: RecordedEvent): void {
    if (['JobFinished', 'JobFailed', 'JobCancelled', 'JobRetried'].includes(type)) this.hasChanged = true;
  }

  count(): readonly SqlRow[] {
    const began = this.clock.monotonic();
    if (this.hasChanged && began >= this.nextAt) {
      this.final = finalCounts(this.queries);
      this.hasChanged = false;
      const now = this.clock.monotonic();
      this.nextAt = now + (now - began) / SHARE_OF_TIME;
    }
    return [...livingCounts(this.queries), ...this.final];
  }
}

/** Jobs that are not over, by state and device. */
function livingCounts(queries: JobQueries): SqlRow[] {
  const counts = (where: string) =>
    `SELECT state, device_type, count(*) AS counted FROM job_dat WHERE state ${where} GROUP BY state, device_type`;
  const each = [counts("= 'created'"), counts("= 'queued'"), counts(`IN ${UNDER_WAY}`)];
  return queries.of(each.join(' UNION ALL ')).all();
}

/** The others: tasks count their own. */
function finalCounts(queries: JobQueries): SqlRow[] {
  const ofTasks = FINAL.map(
    (state) => `SELECT '${state}' AS state, device_type, jobs_${state} AS jobs FROM task_dat`,
  );
  return queries
    .of(
      `SELECT state, device_type, sum(jobs) AS counted FROM (${ofTasks.join(' UNION ALL ')}
         UNION ALL SELECT state, device_type, 1 FROM job_dat WHERE task_id IS NULL AND is_over = 1)
       GROUP BY state, device_type`,
    )
    .all();
}

class Attempts {
  private readonly queries: JobQueries;
  private readonly ended = new Tally([FINISHED, ...Object.keys(FAULT_OF)].map((name): [string] => [name]));
  private readonly waited = new DurationsBy(GRANT_SECONDS);

  constructor(queries: JobQueries) {
    this.queries = queries;
  }

  note({ type, data, stream }: RecordedEvent): void {
    if (type === 'JobFinished') this.ended.add(FINISHED);
    if (type === 'JobAttemptFailed' || type === 'JobFailed') this.ended.add(String(data['class']));
    if (type !== 'JobClaimed') return;
    const row = this.queries.grantOf(idOf(stream));
    const [queued, claimed] = [row?.['queued_time'], row?.['claimed_time']];
    if (typeof queued !== 'number' || typeof claimed !== 'number') return;
    this.waited.observe(String(row?.['device_type']), '', Math.max(claimed - queued, 0) * 1000);
  }

  metrics(): Metric<Gathered>[] {
    return [
      {
        name: 'workload_attempts_total',
        help: 'Attempts that ended since this node began, as it learnt of them: finished, or by their class of failure',
        type: 'counter',
        labels: ['class'],
        samples: () => this.ended.samples(['class']),
      },
      {
        name: 'workload_grant_wait_seconds',
        help: 'How long jobs that were granted since this node began had been queued',
        type: 'histogram',
        labels: ['device'],
        samples: () => this.waited.samples(['device']),
      },
    ];
  }
}

function states(): Metric<Gathered>[] {
  return [
    {
      name: 'workload_jobs',
      help: 'Jobs by state and device',
      type: 'gauge',
      labels: ['state', 'device'],
      samples: ({ jobs }) =>
        [...LIVING, ...FINAL].flatMap((state) => DEVICES.map((device) => countedIn(jobs, state, device))),
    },
    {
      name: 'workload_queue_depth',
      help: 'Jobs that are queued for pilots of a device',
      type: 'gauge',
      labels: ['device'],
      samples: ({ jobs }) =>
        DEVICES.map((device) => ({ labels: { device }, value: countedIn(jobs, 'queued', device).value })),
    },
    {
      name: 'workload_pilots',
      help: 'Pilots by status, on all nodes of the store',
      type: 'gauge',
      labels: ['status'],
      samples: ({ pilots }) =>
        STATUSES.map((status) => ({
          labels: { status },
          value: Number(pilots.find((row) => row['status'] === status)?.['counted'] ?? 0),
        })),
    },
  ];
}

function countedIn(rows: readonly SqlRow[], state: string, device: string): Sample {
  const row = rows.find((one) => one['state'] === state && one['device_type'] === device);
  return { labels: { state, device }, value: Number(row?.['counted'] ?? 0) };
}

function refusals(figures: PilotFigures, queue: MetricsOptions['queue']): Metric<Gathered>[] {
  return [
    {
      name: 'workload_hints_out',
      help: 'Hints that pilots were given by this node and have not answered',
      type: 'gauge',
      samples: () => one(queue.delivered),
    },
    {
      name: 'workload_claims_refused_total',
      help: 'Claims that were refused since this node began, by reason; claimed and done are hints that came twice',
      type: 'counter',
      labels: ['reason'],
      samples: () => figures.refusedClaims.samples(['reason']),
    },
    {
      name: 'workload_stale_claims_total',
      help: 'Reports since this node began under claims that count no more',
      type: 'counter',
      samples: () => one(figures.staleClaims),
    },
  ];
}
