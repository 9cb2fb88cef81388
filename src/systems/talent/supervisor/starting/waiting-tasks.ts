/**
 * The tasks that wait for their start, and what each has been told.
 *
 * Guarantees: whoever waits is told why, once per reason; an order that can never be started here fails with the reason.
 */

import { messageOf } from '../../../../base/errors.js';
import type { PlotKey } from '../../machine/plot-record.js';
import type { PlotTaskStatus } from '../../wire/messages.js';
import { type PlotOrder, readOrder } from '../plotters/plot-order.js';
import { notStartedReport, pendingReport } from '../supervisor-reports.js';
import { type Telling, tellTalent } from '../tell-talent.js';
import type { WaitReason } from './admission.js';

export interface WaitingTasksOptions extends Telling {
  readonly sessionId: string;
}

export interface WaitingTask extends PlotKey {
  /** As found last, with its figures. Empty before the first look. */
  readonly reason: string;
}

interface Waiting {
  readonly order: PlotOrder;
  /** Announced since the stream of work was opened. */
  fresh: boolean;
  /** Undefined before the first look. */
  reason: WaitReason | undefined;
  /** Its directories were looked at. */
  isSeen: boolean;
}

export class WaitingTasks {
  private readonly options: WaitingTasksOptions;
  private readonly waiting = new Map<string, Waiting>();
  private reportsSent = 0;

  constructor(options: WaitingTasksOptions) {
    this.options = options;
  }

  get size(): number {
    return this.waiting.size;
  }

  list(): WaitingTask[] {
    return [...this.waiting.values()].map(({ order: { task_id, attempt }, reason }) => ({
      task_id,
      attempt,
      reason: reason?.sentence ?? '',
    }));
  }

  /** The first word of a reason's key is its kind. */
  byReason(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { reason } of this.waiting.values()) {
      const [kind = ''] = (reason?.key ?? 'not_looked_at').split(' ');
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return counts;
  }

  inOrder(): PlotOrder[] {
    return [...this.waiting.values()].map(({ order }) => order).sort((a, b) => a.id - b.id);
  }

  /** Those that are seen for the first time: from now on they are not. */
  unseen(): PlotOrder[] {
    const found = [...this.waiting.values()].filter(({ isSeen }) => !isSeen);
    for (const waiting of found) waiting.isSeen = true;
    return found.map(({ order }) => order);
  }

  /** Undefined when that attempt does not wait any more. */
  get(key: PlotKey): PlotOrder | undefined {
    return this.find(key)?.order;
  }

  /** An earlier attempt waits no more. */
  add(key: PlotKey, task: PlotTaskStatus): void {
    const { reason, isSeen = false } = this.find(key) ?? {};
    this.waiting.delete(key.task_id);
    try {
      this.waiting.set(key.task_id, { order: readOrder(key, task), fresh: true, reason, isSeen });
    } catch (error) {
      this.refuse(key, messageOf(error));
    }
  }

  /** That attempt only. */
  remove(key: PlotKey): void {
    if (this.find(key) !== undefined) this.waiting.delete(key.task_id);
  }

  /** From now on what is not added again counts as out of date. */
  doubt(): void {
    for (const waiting of this.waiting.values()) waiting.fresh = false;
  }

  removeDoubtful(): void {
    for (const [taskId, { fresh }] of this.waiting) if (!fresh) this.waiting.delete(taskId);
  }

  /** It fails with that reason. */
  refuse(key: PlotKey, reason: string): void {
    this.options.logger.warn({ taskId: key.task_id, reason }, 'a task can not be started here');
    this.remove(key);
    tellTalent(this.options, notStartedReport(key, reason));
  }

  tellAll(reason: WaitReason): void {
    for (const { order } of this.waiting.values()) this.tell(order, reason);
  }

  /** Tells those that have no reason of their own: the others would hear that again with every plot that ends. */
  tellUnlessOwn(reason: WaitReason): void {
    for (const { order, reason: known } of this.waiting.values())
      if (known?.isOwn !== true) this.tell(order, reason);
  }

  /** Once per reason: the figures in a sentence may change with every look. */
  tell(key: PlotKey, reason: WaitReason): void {
    const { clock, logger, sessionId } = this.options;
    const waiting = this.find(key);
    if (waiting === undefined) return;
    const isKnown = waiting.reason?.key === reason.key;
    waiting.reason = reason;
    if (isKnown) return;
    logger.info({ taskId: key.task_id, reason: reason.sentence }, 'a task has to wait');
    this.reportsSent += 1;
    const nonce = `${sessionId}/${this.reportsSent}`;
    const report = pendingReport(key, reason.sentence, nonce, clock.now());
    tellTalent(this.options, report, () => this.find(key)?.reason?.key === reason.key);
  }

  private find({ task_id, attempt }: PlotKey): Waiting | undefined {
    const waiting = this.waiting.get(task_id);
    return waiting?.order.attempt === attempt ? waiting : undefined;
  }
}
