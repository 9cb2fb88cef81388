/**
 * Reports to talent over one two-way stream that is opened anew by itself.
 *
 * Guarantees: `send` resolves once talent has answered, durably or with a refusal that is final; until then the report is
 * sent again after a break of the connection or when talent says it may succeed later. Reports of one task arrive in the
 * order they were sent, because each waits for the one before; those of different tasks do not wait for each other. A
 * report may therefore arrive twice: give it a command_id that stays the same.
 */

import { setMaxListeners } from 'node:events';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { Backoff, wait } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { OwlError } from '../runtime/errors.js';
import type { PlotTaskReport, PlotTaskReportAck, PlotTaskReportAcks, PlotTaskStatus } from './messages.js';

/** An idle call is ended, because a talent that shuts down waits for those that are open. */
const IDLE_MS = 1_000;

type Call = ClientDuplexStream<PlotTaskReport, PlotTaskReportAcks>;

export interface ReportStreamOptions {
  readonly open: () => Call;
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
  private call: Call | undefined;
  private cancelIdle: () => void = () => undefined;
  private reopening = false;
  private lastSeq = 0;

  constructor(options: ReportStreamOptions) {
    this.options = options;
    // Each report that has to be sent again waits for it.
    setMaxListeners(0, this.closing.signal);
  }

  /**
   * @returns talent's answer; `is_success` false is a refusal that sending again would not change
   * @throws OwlError kind `unavailable` when the stream is closed before there is an answer
   */
  send(report: PlotTaskStatus): Promise<PlotTaskReportAck> {
    const { reportKey } = this.options;
    const status = reportKey === undefined ? report : { ...report, report_key: reportKey };
    if (this.closing.signal.aborted) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.lastSeq += 1;
      const pending = { seq: this.lastSeq, status, backoff: new Backoff(), resolve, reject };
      const queue = this.queues.get(status.task_id ?? '');
      if (queue !== undefined) queue.push(pending);
      else {
        this.queues.set(status.task_id ?? '', [pending]);
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
    // While it is being opened anew nothing is lost: opening writes the first of every queue.
    if (this.reopening) return;
    this.cancelIdle();
    this.call ??= this.openCall();
    this.written.set(pending.seq, pending);
    this.call.write({ seq: pending.seq, status: pending.status });
  }

  private openCall(): Call {
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
    if (ack.is_success !== true && ack.retryable === true) {
      void this.writeLater(pending);
      return;
    }
    const taskId = pending.status.task_id ?? '';
    const queue = this.queues.get(taskId);
    queue?.shift();
    const next = queue?.[0];
    if (next === undefined) this.queues.delete(taskId);
    else this.write(next);
    pending.resolve(ack);
    if (this.queues.size === 0) this.cancelIdle = this.options.clock.after(IDLE_MS, () => this.endIdleCall());
  }

  private endIdleCall(): void {
    this.call?.end();
    this.call = undefined;
  }

  private async writeLater(pending: Pending): Promise<void> {
    await wait(this.options.clock, pending.backoff.next(), this.closing.signal);
    // A reopening in between may have written it already.
    const stillFirst = this.queues.get(pending.status.task_id ?? '')?.[0] === pending;
    if (stillFirst && !this.written.has(pending.seq)) this.write(pending);
  }

  private async reopen(broken: Call, error: unknown): Promise<void> {
    if (this.call !== broken) return;
    this.call = undefined;
    this.written.clear();
    if (this.closing.signal.aborted || this.queues.size === 0) return;
    const delay = this.backoff.next();
    const reason = error === undefined ? 'it was ended by talent' : this.options.explain(error).message;
    this.options.logger?.warn({ reason, waiting: this.queues.size }, 'the stream of reports broke');
    this.reopening = true;
    await wait(this.options.clock, delay, this.closing.signal);
    this.reopening = false;
    for (const [first] of this.queues.values()) if (first !== undefined) this.write(first);
  }
}

function closedError(): OwlError {
  return new OwlError('unavailable', 'the stream of reports was closed before talent had answered');
}
