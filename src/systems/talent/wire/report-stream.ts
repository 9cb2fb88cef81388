/**
 * Reports to talent over one two-way stream that is opened anew by itself.
 *
 * Guarantees:
 * - `send` resolves once talent has answered, durably or with a refusal that is final; until then the report is sent again
 *   after a break of the connection or when talent says it may succeed later. A report may therefore arrive twice: give it a
 *   command_id that stays the same;
 * - reports of one task arrive in the order they were sent, because each waits for the one before; those of different tasks do
 *   not wait for each other;
 * - a report that breaks the stream harms itself alone. One that had no answer when talent broke the stream, twice in a row, is a
 *   suspect: it is sent on a call of its own, and the others go on without it. Where it breaks that as well, again and again,
 *   while talent answers others, it is put aside: `send` rejects with a ReportPutAsideError, the log says so, and what is
 *   sent of its task from then on goes on calls of its own until one is answered. Nothing is held against a report while
 *   talent is away, nor while it answers nobody.
 */

import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { Backoff, wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { OwlError } from '../../../base/errors.js';
import { isDenial } from '../../../base/failure-kinds.js';
import { ToldFailures } from '../../../base/told-failures.js';
import { UnreachableError } from '../../../wire/call-error.js';
import type { PlotTaskReportAck, PlotTaskReportAcks, PlotTaskStatus } from './messages.js';
import { type ReportCall, tryAlone } from './report-trial.js';

/** An idle call is ended, because a talent that shuts down waits for those that are open. */
const IDLE_MS = 1_000;
/** Breaks in a row that make a report without an answer a suspect: of one break all that were under way have the same part. */
const SUSPECT_AFTER = 2;
/** Calls of its own that a report breaks before it is put aside. */
const TRIALS = 3;
/** Suspect tasks that are remembered. */
const MOST_SUSPECTS = 1_000;

/** Talent fails at this report while it answers others. It was not acknowledged: keep what there is to tell, and tell it later. */
export class ReportPutAsideError extends OwlError {
  override readonly name = 'ReportPutAsideError';

  constructor(reason: string) {
    super('unavailable', `talent fails at this report, and takes others: ${reason}; send it again later`);
  }
}

export interface ReportStreamOptions {
  readonly open: () => ReportCall;
  readonly explain: (error: unknown) => OwlError;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
  /** Goes with each report; see report-key.ts. */
  readonly reportKey?: string | undefined;
}

interface Pending {
  readonly seq: number;
  readonly status: PlotTaskStatus;
  /** Pauses between the attempts of this report, when talent asks for them. */
  readonly backoff: Backoff;
  /** Calls that talent broke while this had no answer. */
  breaks: number;
  resolve(ack: PlotTaskReportAck): void;
  reject(error: OwlError): void;
}

export class ReportStream {
  private readonly options: ReportStreamOptions;
  private readonly backoff = new Backoff({ firstMs: 50, longestMs: 5_000 });
  private readonly closing = new AbortController();
  /** By task, in order; only the first of each is under way. */
  private readonly queues = new Map<string, Pending[]>();
  /** Written to the present call and not answered. By number. */
  private readonly written = new Map<number, Pending>();
  /** Tasks whose reports go on calls of their own, the one suspected longest first. */
  private readonly suspects = new Set<string>();
  /** Tasks whose report is under way on a call of its own. */
  private readonly alone = new Set<string>();
  private readonly failures: ToldFailures | undefined;
  private call: ReportCall | undefined;
  private cancelIdle: () => void = () => undefined;
  private reopening = false;
  private lastSeq = 0;
  /** Answers of talent so far, whatever they say. */
  private answers = 0;

  constructor(options: ReportStreamOptions) {
    this.options = options;
    this.failures = options.logger && new ToldFailures(options.logger);
    // Each report that has to be sent again waits for it.
    setMaxListeners(0, this.closing.signal);
  }

  /**
   * @returns talent's answer; `is_success` false is a refusal that sending again would not change
   * @throws ReportPutAsideError when talent fails at it and takes others
   * @throws OwlError kind `unavailable` when the stream is closed before there is an answer
   */
  send(report: PlotTaskStatus): Promise<PlotTaskReportAck> {
    const { reportKey } = this.options;
    const status = reportKey === undefined ? report : { ...report, report_key: reportKey };
    if (this.closing.signal.aborted) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.lastSeq += 1;
      const pending = { seq: this.lastSeq, status, backoff: new Backoff(), breaks: 0, resolve, reject };
      const queue = this.queues.get(taskOf(pending));
      if (queue !== undefined) queue.push(pending);
      else {
        this.queues.set(taskOf(pending), [pending]);
        this.write(pending);
      }
    });
  }

  /** What has no answer by now is given up: its `send` rejects. */
  close(): void {
    this.closing.abort();
    this.cancelIdle();
    this.call?.cancel();
    this.call = undefined;
    this.written.clear();
    for (const queue of this.queues.values()) for (const { reject } of queue) reject(closedError());
    this.queues.clear();
  }

  private write(pending: Pending): void {
    if (this.closing.signal.aborted) return;
    if (this.suspects.has(taskOf(pending))) {
      void this.sendAlone(pending);
      return;
    }
    // While it is being opened anew nothing is lost: opening writes the first of every queue.
    if (this.reopening) return;
    this.cancelIdle();
    this.call ??= this.openCall();
    this.written.set(pending.seq, pending);
    this.call.write({ seq: pending.seq, status: pending.status });
  }

  private openCall(): ReportCall {
    const call = this.options.open();
    call.on('data', ({ acks = [] }: PlotTaskReportAcks) => {
      this.backoff.reset();
      for (const ack of acks) this.settle(ack);
    });
    let over = false;
    const end = (error?: unknown): void => {
      if (over) return;
      over = true;
      void this.reopen(call, error);
    };
    call.on('error', end);
    call.on('end', end);
    return call;
  }

  private settle(ack: PlotTaskReportAck): void {
    const pending = this.written.get(ack.seq ?? 0);
    if (pending === undefined) return;
    this.written.delete(pending.seq);
    this.answers += 1;
    pending.breaks = 0;
    if (mayPass(ack)) void this.writeLater(pending);
    else this.finish(pending, () => pending.resolve(ack));
  }

  /** The next of the task goes out. */
  private finish(pending: Pending, tell: () => void): void {
    const taskId = taskOf(pending);
    const queue = this.queues.get(taskId);
    queue?.shift();
    const next = queue?.[0];
    if (next === undefined) this.queues.delete(taskId);
    else this.write(next);
    tell();
    if (this.written.size > 0 || this.call === undefined) return;
    this.cancelIdle();
    this.cancelIdle = this.options.clock.after(IDLE_MS, () => this.endIdleCall());
  }

  private endIdleCall(): void {
    this.call?.end();
    this.call = undefined;
  }

  private async writeLater(pending: Pending): Promise<void> {
    await wait(this.options.clock, pending.backoff.next(), this.closing.signal);
    // A reopening in between may have written it already.
    if (this.isFirst(pending) && !this.written.has(pending.seq)) this.write(pending);
  }

  private async reopen(broken: ReportCall, error: unknown): Promise<void> {
    if (this.call !== broken) return;
    this.call = undefined;
    const unanswered = [...this.written.values()];
    this.written.clear();
    if (this.closing.signal.aborted || this.queues.size === 0) return;
    const delay = this.backoff.next();
    const reason = error === undefined ? 'it was ended by talent' : this.options.explain(error).message;
    this.options.logger?.warn({ reason, waiting: this.queues.size }, 'the stream of reports broke');
    if (this.isTalents(error)) for (const pending of unanswered) this.suspect(pending);
    this.reopening = true;
    await wait(this.options.clock, delay, this.closing.signal);
    this.reopening = false;
    for (const [first] of this.queues.values()) if (first !== undefined) this.write(first);
  }

  /** Whether a call ended by what talent said. One that is away, goes away in order or lets nobody in has said nothing of any report. */
  private isTalents(error: unknown): boolean {
    if (error === undefined) return false;
    const explained = this.options.explain(error);
    return !(explained instanceof UnreachableError || isDenial(explained));
  }

  private suspect(pending: Pending): void {
    pending.breaks += 1;
    if (pending.breaks < SUSPECT_AFTER) return;
    pending.breaks = 0;
    this.suspects.add(taskOf(pending));
    for (const longest of this.suspects) {
      if (this.suspects.size <= MOST_SUSPECTS) break;
      this.suspects.delete(longest);
    }
  }

  /** Until it is answered or put aside. One at a time of each task. */
  private async sendAlone(pending: Pending): Promise<void> {
    const taskId = taskOf(pending);
    if (this.alone.has(taskId)) return;
    this.alone.add(taskId);
    const settle = await this.outcomeAlone(pending);
    this.alone.delete(taskId);
    if (settle !== undefined && this.isFirst(pending)) this.finish(pending, settle);
  }

  /** How to settle it; undefined when the stream was closed before. */
  private async outcomeAlone(pending: Pending): Promise<(() => void) | undefined> {
    const { open, explain, clock } = this.options;
    const { signal } = this.closing;
    const { seq, status, backoff } = pending;
    const taskId = taskOf(pending);
    while (!signal.aborted) {
      const answersBefore = this.answers;
      const outcome = await tryAlone(open, { seq, status }, signal);
      if (signal.aborted) return undefined;
      if ('ack' in outcome) {
        this.answers += 1;
        pending.breaks = 0;
        this.suspects.delete(taskId);
        this.failures?.forget(taskId);
        if (!mayPass(outcome.ack)) return () => pending.resolve(outcome.ack);
      } else if (this.isTalents(outcome.error)) pending.breaks += 1;
      await wait(clock, backoff.next(), signal);
      if ('ack' in outcome || pending.breaks < TRIALS || this.answers === answersBefore) continue;
      const aside = new ReportPutAsideError(explain(outcome.error).message);
      this.failures?.tell(taskId, aside, 'a report is put aside, the others go on', { taskId });
      return () => pending.reject(aside);
    }
    return undefined;
  }

  private isFirst(pending: Pending): boolean {
    return this.queues.get(taskOf(pending))?.[0] === pending;
  }
}

function taskOf({ status }: Pending): string {
  return status.task_id ?? '';
}

/** Talent asks for the same report again, later. */
function mayPass({ is_success, retryable }: PlotTaskReportAck): boolean {
  return is_success !== true && retryable === true;
}

function closedError(): OwlError {
  return new OwlError('unavailable', 'the stream of reports was closed before talent had answered');
}
