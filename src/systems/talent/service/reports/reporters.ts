/**
 * Who may report of a task: while a supervisor that attached with the hash of a key holds the lease of the task's worker, be it
 * lost or not, whoever shows that key; otherwise everybody, as the peers in the field know no keys.
 *
 * Guarantees: a report of a stranger changes nothing; nobody is refused by what was known before the holder of the lease
 * changed; a report with another key may come again, because its machine may hold the lease by then, or next.
 */

import type { PlotTaskSnapshot } from '../../../../../machines/talent/plot-task.js';
import type { SupervisorSnapshot } from '../../../../../machines/talent/supervisor.js';
import { OwlError } from '../../../../base/errors.js';
import { hashOfReportKey } from '../../../../base/report-key.js';
import type { RecordedEvent } from '../../../../runtime/event-store/event-store.js';

/** Who orders plots names the workers, so the number of them is not talent's to choose. */
const MOST_KNOWN = 10_000;

/** Within a decision: throws unless the reporter may speak of this task. */
export type CheckReporter = (task: PlotTaskSnapshot) => void;

/** The holder is not known here, or what is known may be old. */
class LookUpError extends Error {
  readonly workerId: string;

  constructor(workerId: string) {
    super(`who reports for worker ${workerId} is to be looked up`);
    this.workerId = workerId;
  }
}

export class Reporters {
  private readonly read: (workerId: string) => Promise<SupervisorSnapshot>;
  /** Hash of the key by worker; null where everybody may report. */
  private readonly known = new Map<string, string | null>();
  /** Counts what was forgotten: what is read meanwhile may be old. */
  private forgotten = 0;

  /** @param read the supervisor as it is stored */
  constructor(read: (workerId: string) => Promise<SupervisorSnapshot>) {
    this.read = read;
  }

  /** Who holds a lease may have changed. */
  observe(events: readonly RecordedEvent[]): void {
    for (const { data } of events) if (typeof data['worker_id'] === 'string') this.forget(data['worker_id']);
  }

  forget(workerId: string): void {
    this.forgotten += 1;
    this.known.delete(workerId);
  }

  /**
   * Carries out a report whose decision checks the reporter; again where that has to be looked up first.
   * @throws OwlError kind `refused` for a report without a key, `retryable` for one with another; else what `attempt` throws
   */
  async checked<T>(key: string | undefined, attempt: (check: CheckReporter) => Promise<T>): Promise<T> {
    const hash = key === undefined || key === '' ? undefined : hashOfReportKey(key);
    // Made where somebody is looked up: most reporters are known.
    let looked: Map<string, string | null> | undefined;
    const check: CheckReporter = ({ context: { order } }) => {
      if (order === null) return;
      const { worker_id: workerId } = order;
      const wasLookedUp = looked?.has(workerId) ?? false;
      const known = wasLookedUp ? looked?.get(workerId) : this.known.get(workerId);
      if (known === null || (known !== undefined && known === hash)) return;
      if (!wasLookedUp) throw new LookUpError(workerId);
      throw strangerTo(order.task_id, workerId, hash !== undefined);
    };
    for (;;) {
      try {
        return await attempt(check);
      } catch (error) {
        if (!(error instanceof LookUpError)) throw error;
        looked ??= new Map();
        looked.set(error.workerId, await this.lookUp(error.workerId));
      }
    }
  }

  private async lookUp(workerId: string): Promise<string | null> {
    const { forgotten } = this;
    const { value, context } = await this.read(workerId);
    const hash = value === 'detached' ? null : context.reportKeyHash;
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    if (forgotten === this.forgotten) this.known.set(workerId, hash);
    return hash;
  }
}

function strangerTo(taskId: string, workerId: string, hasKey: boolean): OwlError {
  const whose = `task ${taskId} belongs to the supervisor that is attached as worker ${workerId}`;
  return hasKey
    ? new OwlError('retryable', `${whose}, and this is the key of another machine; it changes nothing now`)
    : new OwlError('refused', `${whose}; a report from elsewhere changes nothing`);
}
