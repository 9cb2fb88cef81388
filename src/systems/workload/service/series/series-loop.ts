/**
 * What carries series on: a loop that begins the next dataset when one has ended, and ends the series with the last.
 *
 * Guarantees: no more datasets are under way than the series was given, for the series judges that itself; a task that failed stops its
 * series until it is retried, accepted as it is or cancelled, and those that are under way go on; a dataset that was cancelled, or one of
 * whose tasks was, is passed over, and what lives of it is cancelled; a series is cancelled when none of its tasks lives. Told again
 * nothing changes, so it runs on every node at once, and after a kill it goes on.
 */

import type { SeriesSnapshot, SeriesStep } from '../../../../../machines/workload/series.js';
import { workload } from '../../../../../projections/workload/workload.js';
import { OwlError } from '../../../../base/errors.js';
import type { SqlRow } from '../../../../base/sql.js';
import type { Loop, LoopContext } from '../../../../runtime/loops/loop.js';
import type { WorkloadContext } from '../workload-context.js';
import {
  begin,
  conclude,
  end,
  fail,
  mayBegin,
  resume,
  type SeriesFailure,
  series,
} from './series-commands.js';
import { BY, carryOn, type Member, type Plan } from './series-tasks.js';

const REASONS: ReadonlySet<string> = new Set([
  ...['TaskFinished', 'TaskFailed', 'TaskCancelled', 'TaskRetried', 'TaskCancelRequested'],
  ...['TaskFinishRequested', 'DatasetCancelRequested', 'DatasetAborted'],
]);

export function runsSeries(context: WorkloadContext): Loop {
  return {
    name: 'workload-series',
    readModels: [workload.name],
    applied: (events) =>
      events.some(({ stream, type }) => stream.startsWith(`${series.category}-`) || REASONS.has(type)),
    round: async (loop) => {
      await round(context, loop);
      return {};
    },
  };
}

async function round(context: WorkloadContext, loop: LoopContext): Promise<void> {
  const due = context.db.prepare(
    `SELECT * FROM wl_series WHERE state IN ('created', 'running', 'failed', 'cancelling') ORDER BY series_id`,
  );
  const failures: unknown[] = [];
  for (const row of due.all()) {
    loop.assertMayAct();
    try {
      await new Advance(context, loop, row).run();
    } catch (error) {
      // One that can't be written to keeps no other waiting.
      if (!(error instanceof OwlError)) throw error;
      context.logger.warn({ err: error, series: row['uid'] }, 'a series can not be carried on now');
      if (error.kind !== 'refused') failures.push(error);
    }
  }
  // The round is tried again, later and later.
  if (failures.length > 0) throw failures[0];
}

class Advance {
  private readonly context: WorkloadContext;
  private readonly loop: LoopContext;
  private readonly row: SqlRow;
  private readonly plan: Plan;

  constructor(context: WorkloadContext, loop: LoopContext, row: SqlRow) {
    this.context = context;
    this.loop = loop;
    this.row = row;
    this.plan = planOf(row);
  }

  async run(): Promise<void> {
    let snapshot = (await this.context.system.read(series, this.plan.uid)).snapshot;
    const failures: SeriesFailure[] = [];
    for (const index of snapshot.context.underWay) snapshot = await this.look(index, snapshot, failures);
    const [failure] = failures;
    if (failure !== undefined) snapshot = await this.execute(fail(failure));
    else if (snapshot.value === 'failed') snapshot = await this.execute(resume);
    while (mayBegin(snapshot)) snapshot = await this.beginNext(snapshot);
    await this.execute(conclude);
  }

  /** At one that is under way. */
  private async look(
    index: number,
    snapshot: SeriesSnapshot,
    failures: SeriesFailure[],
  ): Promise<SeriesSnapshot> {
    const ending = snapshot.value === 'cancelling' ? `its series is cancelled${this.because()}` : undefined;
    const standing = await carryOn(this.context, this.plan, this.memberAt(index), ending);
    if (standing.kind === 'finished') return await this.execute(end({ index, outcome: 'finished' }));
    if (standing.kind === 'passed_over')
      return await this.execute(end({ index, outcome: 'passed_over', reason: standing.reason }));
    if (standing.kind === 'failed') {
      const { step, task, reason } = standing;
      const of = `dataset ${index + 1} of ${this.plan.datasets}, step ${step + 1} of ${this.plan.steps.length}`;
      failures.push({ index, step, task, reason: `${of}: ${reason}` });
    }
    return snapshot;
  }

  private async beginNext({ context: { begun: index } }: SeriesSnapshot): Promise<SeriesSnapshot> {
    const member = this.memberAt(index);
    if (member.gone !== undefined)
      return await this.execute(end({ index, outcome: 'passed_over', reason: member.gone }));
    const after = await this.execute(begin(index, member.uid));
    // Who was faster may have ended it since.
    if (after.context.underWay.includes(index))
      await carryOn(
        this.context,
        this.plan,
        member,
        after.value === 'cancelling' ? 'its series is cancelled' : undefined,
      );
    return after;
  }

  private async execute(decide: ReturnType<typeof begin>): Promise<SeriesSnapshot> {
    this.loop.assertMayAct();
    return (await this.context.system.execute(series, this.plan.uid, { by: BY, decide })).snapshot;
  }

  private because(): string {
    return this.row['remarks'] === null ? '' : `: ${String(this.row['remarks'])}`;
  }

  private memberAt(index: number): Member {
    const found = this.context.db
      .prepare(
        `SELECT dataset_uid, dataset.name, dataset.status, dataset.storage_url, dataset.remarks FROM wl_series_datasets
         LEFT JOIN dsm_datasets AS dataset ON dataset.uid = dataset_uid WHERE series_id = ? AND idx = ?`,
      )
      .get(this.row['series_id'] ?? null, index);
    if (found === undefined) throw new Error(`series ${this.plan.uid} has no dataset ${index}`);
    const { dataset_uid: uid, name, status, storage_url: url, remarks } = found;
    const isGone = status === 'aborted' || status === 'cancelling';
    return {
      ...{ index, uid: String(uid), name: String(name) },
      storageUrl: typeof url === 'string' ? url : undefined,
      gone: isGone ? `dataset ${String(name)} (${String(uid)}) was cancelled: ${String(remarks)}` : undefined,
    };
  }
}

function planOf(row: SqlRow): Plan {
  const steps: SeriesStep[] = JSON.parse(String(row['steps']));
  return {
    uid: String(row['uid']),
    name: String(row['name']),
    datasets: Number(row['datasets']),
    steps,
  };
}
