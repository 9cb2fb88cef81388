/**
 * Reports to a node over one two-way stream that is opened anew by itself, each with an answer of its own.
 *
 * Guarantees:
 * - `send` resolves once the node has answered, durably or with a refusal that is final; until then the report is sent again
 *   after a break of the connection or when the node says it may succeed later. A report may therefore arrive twice: give it a
 *   command_id that stays the same;
 * - reports of one piece of work arrive in the order they were sent, because each waits for the one before; those of different
 *   ones do not wait for each other;
 * - a report that breaks the stream harms itself alone. One that had no answer when the node broke the stream, twice in a row, is
 *   a suspect: it is sent on a call of its own, and the others go on without it. Where it breaks that as well, again and again,
 *   while the node answers others, it is put aside: `send` rejects with a ReportPutAsideError, the log says so, and what is
 *   sent of its work from then on goes on calls of its own until one is answered. Nothing is held against a report while
 *   the node is away, nor while it answers nobody.
 */

import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { Backoff, wait } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import { OwlError } from '../base/errors.js';
import { isDenial } from '../base/failure-kinds.js';
import { ToldFailures } from '../base/told-failures.js';
import { UnreachableError } from './call-error.js';
import { type Answered, type ReportCall, type TrialOutcome, tryAlone } from './report-trial.js';

/** An idle call is ended, because a talent that shuts down waits for those that are open. */
const IDLE_MS = 1_000;
/** Breaks in a row that make a report without an answer a suspect: of one break all that were under way have the same part. */
const SUSPECT_AFTER = 2;
/** Calls of its own that a report breaks before it is put aside. */
const TRIALS = 3;
/** Suspects that are remembered, by their work. */
const MOST_SUSPECTS = 1_000;

/** The node fails at this report while it answers others. It was not acknowledged: keep what there is to tell, and tell it later. */
export class ReportPutAsideError extends OwlError {
  override readonly name = 'ReportPutAsideError';

  constructor(peer: string, reason: string) {
    super('unavailable', `${peer} fails at this report, and takes others: ${reason}; send it again later`);
  }
}

export interface AcknowledgedReportsOptions<
  Report,
  Message extends Numbered,
  Answers,
  Answer extends Answered,
> {
  /** Whom it reports to, in messages: `talent`, `the node`. */
  readonly peer: string;
  readonly open: () => ReportCall<Message, Answers>;
  readonly explain: (error: unknown) => OwlError;
  /** A report as it goes over the wire. */
  readonly message: (seq: number, report: Report) => Message;
  /** What came in one message. */
  readonly answersIn: (answers: Answers) => readonly Answer[];
  /** Which piece of work a report is of. */
  readonly workOf: (report: Report) => string;
  /** What the log calls such a piece of work when a report is put aside. */
  readonly workField: string;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
}

/** What numbers a report. */
export interface Numbered {
  seq?: number;
}

interface Pending<Report, Answer> {
  readonly seq: number;
  readonly report: Report;
  readonly work: string;
  /** Pauses between the attempts of this report, when the node asks for them. */
  readonly backoff: Backoff;
  /** Calls that the node broke while this had no answer. */
  breaks: number;
  resolve(answer: Answer): void;
  reject(error: OwlError): void;
}

export class AcknowledgedReports<Report, Message extends Numbered, Answers, Answer extends Answered> {
  private readonly options: AcknowledgedReportsOptions<Report, Message, Answers, Answer>;
  private readonly backoff = new Backoff({ firstMs: 50, longestMs: 5_000 });
  private readonly closing = new AbortController();
  /** By work, in order; only the first of each is under way. */
  private readonly queues = new Map<string, Pending<Report, Answer>[]>();
  /** Written to the present call and not answered. By number. */
  private readonly written = new Map<number, Pending<Report, Answer>>();
  /** Work whose reports go on calls of their own, the one suspected longest first. */
  private readonly suspects = new Set<string>();
  /** Work whose report is under way on a call of its own. */
  private readonly alone = new Set<string>();
  private readonly failures: ToldFailures | undefined;
  private call: ReportCall<Message, Answers> | undefined;
  private cancelIdle: () => void = () => undefined;
  private reopening = false;
  private lastSeq = 0;
  /** Answers so far, whatever they say. */
  private answers = 0;

  constructor(options: AcknowledgedReportsOptions<Report, Message, Answers, Answer>) {
    this.options = options;
    this.failures = options.logger && new ToldFailures(options.logger);
    // Each report that has to be sent again waits for it.
    setMaxListeners(0, this.closing.signal);
  }

  /**
   * @returns the answer; `is_success` false is a refusal that sending again would not change
   * @throws ReportPutAsideError when the node fails at it and takes others
   * @throws OwlError kind `unavailable` when the stream is closed before there is an answer
   */
  send(report: Report): Promise<Answer> {
    if (this.closing.signal.aborted) return Promise.reject(this.closedError());
    return new Promise((resolve, reject) => {
      this.lastSeq += 1;
      const work = this.options.workOf(report);
      const pending = {
        ...{ seq: this.lastSeq, report, work, backoff: new Backoff(), breaks: 0, resolve, reject },
      };
      const queue = this.queues.get(work);
      if (queue !== undefined) queue.push(pending);
      else {
        this.queues.set(work, [pending]);
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
    for (const queue of this.queues.values()) for (const { reject } of queue) reject(this.closedError());
    this.queues.clear();
  }

  private write(pending: Pending<Report, Answer>): void {
    if (this.closing.signal.aborted) return;
    if (this.suspects.has(pending.work)) {
      void this.sendAlone(pending);
      return;
    }
    // While it is being opened anew nothing is lost: opening writes the first of every queue.
    if (this.reopening) return;
    this.cancelIdle();
    this.call ??= this.openCall();
    this.written.set(pending.seq, pending);
    this.call.write(this.options.message(pending.seq, pending.report));
  }

  private openCall(): ReportCall<Message, Answers> {
    const call = this.options.open();
    call.on('data', (answers: Answers) => {
      this.backoff.reset();
      for (const answer of this.options.answersIn(answers)) this.settle(answer);
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

  private settle(answer: Answer): void {
    const pending = this.written.get(answer.seq ?? 0);
    if (pending === undefined) return;
    this.written.delete(pending.seq);
    this.answers += 1;
    pending.breaks = 0;
    if (mayPass(answer)) void this.writeLater(pending);
    else this.finish(pending, () => pending.resolve(answer));
  }

  /** The next of the work goes out. */
  private finish(pending: Pending<Report, Answer>, tell: () => void): void {
    const { work } = pending;
    const queue = this.queues.get(work);
    queue?.shift();
    const next = queue?.[0];
    if (next === undefined) this.queues.delete(work);
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

  private async writeLater(pending: Pending<Report, Answer>): Promise<void> {
    await wait(this.options.clock, pending.backoff.next(), this.closing.signal);
    // A reopening in between may have written it already.
    if (this.isFirst(pending) && !this.written.has(pending.seq)) this.write(pending);
  }

  private async reopen(broken: ReportCall<Message, Answers>, error: unknown): Promise<void> {
    if (this.call !== broken) return;
    this.call = undefined;
    const unanswered = [...this.written.values()];
    this.written.clear();
    if (this.closing.signal.aborted || this.queues.size === 0) return;
    const delay = this.backoff.next();
    const reason =
      error === undefined ? `it was ended by ${this.options.peer}` : this.options.explain(error).message;
    this.options.logger?.warn({ reason, waiting: this.queues.size }, 'the stream of reports broke');
    if (this.isOfPeer(error)) for (const pending of unanswered) this.suspect(pending);
    this.reopening = true;
    await wait(this.options.clock, delay, this.closing.signal);
    this.reopening = false;
    for (const [first] of this.queues.values()) if (first !== undefined) this.write(first);
  }

  /** Whether a call ended by what the node said. One that is away, goes away in order or lets nobody in has said nothing of any report. */
  private isOfPeer(error: unknown): boolean {
    if (error === undefined) return false;
    const explained = this.options.explain(error);
    return !(explained instanceof UnreachableError || isDenial(explained));
  }

  private suspect(pending: Pending<Report, Answer>): void {
    pending.breaks += 1;
    if (pending.breaks < SUSPECT_AFTER) return;
    pending.breaks = 0;
    this.suspects.add(pending.work);
    for (const longest of this.suspects) {
      if (this.suspects.size <= MOST_SUSPECTS) break;
      this.suspects.delete(longest);
    }
  }

  /** Until it is answered or put aside. One at a time of each work. */
  private async sendAlone(pending: Pending<Report, Answer>): Promise<void> {
    const { work } = pending;
    if (this.alone.has(work)) return;
    this.alone.add(work);
    const settle = await this.outcomeAlone(pending);
    this.alone.delete(work);
    if (settle !== undefined && this.isFirst(pending)) this.finish(pending, settle);
  }

  /** How to settle it; undefined when the stream was closed before. */
  private async outcomeAlone(pending: Pending<Report, Answer>): Promise<(() => void) | undefined> {
    const { explain, clock, peer, workField } = this.options;
    const { signal } = this.closing;
    const { work, backoff } = pending;
    while (!signal.aborted) {
      const answersBefore = this.answers;
      const outcome = await this.tryAlone(pending);
      if (signal.aborted) return undefined;
      if ('answer' in outcome) {
        const { answer } = outcome;
        this.answers += 1;
        pending.breaks = 0;
        this.suspects.delete(work);
        this.failures?.forget(work);
        if (!mayPass(answer)) return () => pending.resolve(answer);
      } else if (this.isOfPeer(outcome.error)) pending.breaks += 1;
      await wait(clock, backoff.next(), signal);
      if ('answer' in outcome || pending.breaks < TRIALS || this.answers === answersBefore) continue;
      const aside = new ReportPutAsideError(peer, explain(outcome.error).message);
      this.failures?.tell(work, aside, 'a report is put aside, the others go on', { [workField]: work });
      return () => pending.reject(aside);
    }
    return undefined;
  }

  private tryAlone({ seq, report }: Pending<Report, Answer>): Promise<TrialOutcome<Answer>> {
    const { open, message, answersIn } = this.options;
    return tryAlone({ open, message: message(seq, report), seq, answersIn, signal: this.closing.signal });
  }

  private isFirst(pending: Pending<Report, Answer>): boolean {
    return this.queues.get(pending.work)?.[0] === pending;
  }

  private closedError(): OwlError {
    const { peer } = this.options;
    return new OwlError('unavailable', `the stream of reports was closed before ${peer} had answered`);
  }
}

/** The node asks for the same report again, later. */
function mayPass({ is_success, retryable }: Answered): boolean {
  return is_success !== true && retryable === true;
}
