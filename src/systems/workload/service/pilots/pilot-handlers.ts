/**
 * The two streams of a pilot: what it is told, and what it reports.
 *
 * Guarantees: a report is answered once what it led to is stored, or with the reason why nothing is, in a word for programs and a
 * sentence for people, and the stream goes on; one that fails inside the service, or while the store is away, is answered as one to
 * send again; a session that holds the lease no more is told so and changes nothing.
 */

import { InvalidFieldError, messageOf, OwlError } from '../../../../base/errors.js';
import { isDenial, isRefusal, isTransient } from '../../../../base/failure-kinds.js';
import * as rules from '../../../../base/field-rules.js';
import { ToldFailures } from '../../../../base/told-failures.js';
import { acknowledgedStream, type Peer, serverStream, unary } from '../../../../node/serving/calls.js';
import type { Claim, GrantMessage, Grants } from '../jobs/grants.js';
import { inputsOf } from '../jobs/grants.js';
import { assertLiving, type Failure, JobRefusedError, job } from '../jobs/job-commands.js';
import type { LogRequests } from '../jobs/job-log.js';
import type { JobOrders } from '../jobs/job-orders.js';
import type { HintConsumer, JobQueue } from '../jobs/job-queue.js';
import type { WorkloadContext } from '../workload-context.js';
import type { JobReports, Sender } from './job-reports.js';
import type { PilotFigures } from './pilot-figures.js';
import type { PilotSessions } from './pilot-sessions.js';
import type {
  PilotReport,
  PilotReportAnswer,
  PilotReportAnswers,
  SampleMessage,
  WorkRequest,
} from './report-messages.js';
import { type PilotLine, type WorkMessage, WorkStream, type WorkStreams } from './work-streams.js';

/** Reports of one stream that may wait to become durable; then the peer waits. */
const REPORTS_IN_FLIGHT = 256;

/** After these a claim is of no use to anybody; after the others another pilot, or a later moment, may have it. */
const GONE: ReadonlySet<string | undefined> = new Set(['claimed', 'done', 'cancelled', 'unknown']);

/** What reports of pilots are taken with, whatever carries them. */
export interface ReportOptions {
  readonly context: WorkloadContext;
  readonly sessions: PilotSessions;
  readonly streams: WorkStreams;
  readonly queue: JobQueue;
  readonly orders: JobOrders;
  readonly grants: Grants;
  readonly reports: JobReports;
  readonly figures: PilotFigures;
  readonly samples: { take(pilot: string, sessionId: string, sample: SampleMessage): Promise<void> };
  readonly logs: LogRequests;
  /** What a session that connects is told first. */
  readonly greet: (stream: PilotLine) => Promise<void>;
}

export interface PilotHandlersOptions extends ReportOptions {
  readonly closing: AbortSignal;
}

export function pilotHandlers(options: PilotHandlersOptions) {
  const { logger } = options.context;
  const failures = new ToldFailures(logger);
  return {
    work: serverStream(logger, (request: WorkRequest, _peer, signal) => work(options, request, signal)),
    report: acknowledgedStream<PilotReport, PilotReportAnswer, PilotReportAnswers>(logger, {
      inFlight: REPORTS_IN_FLIGHT,
      handle: (report, peer) => answer(options, report, peer),
      answerFailure: (report, error) => failed(report, error, failures),
      pack: (answers) => ({ answers }),
      closing: options.closing,
    }),
    job_inputs: unary(logger, (request: { job?: string; claim_id?: string; from?: number }) =>
      jobInputs(options, request),
    ),
  };
}

async function* work(
  { sessions, streams, queue, logs, greet, closing }: PilotHandlersOptions,
  request: WorkRequest,
  signal: AbortSignal,
): AsyncGenerator<WorkMessage> {
  const { pilot, sessionId } = sessionIn(request);
  const over = await sessions.follow(pilot, sessionId);
  const stream = new WorkStream(pilot, sessionId, AbortSignal.any([signal, over, closing]));
  const close = streams.open(stream);
  let leave: () => void = () => undefined;
  try {
    await greet(stream);
    const { deviceType: device } = (await sessions.read(pilot)).context;
    const consumer: HintConsumer = {
      ...{ pilot, sessionId, device },
      deliver: ({ job: uid, curRetry }) => stream.tell({ hint: { job: uid, cur_retry: curRetry } }),
    };
    leave = queue.consume(consumer);
    stream.onRest = (rests) => {
      leave();
      leave = rests ? () => undefined : queue.consume(consumer);
    };
    yield* stream.read();
  } finally {
    leave();
    close();
    if (streams.of(pilot) === undefined) logs.gone(pilot);
  }
  over.throwIfAborted();
}

/** @param who tells it, for the history. @throws OwlError */
export async function answer(
  options: ReportOptions,
  report: PilotReport,
  { who }: Pick<Peer, 'who'>,
): Promise<PilotReportAnswer> {
  const { pilot, sessionId } = sessionIn(report);
  const by = `pilot ${pilot} ${who}`;
  const done = { seq: report.seq ?? 0, is_success: true };
  if (report.claim !== undefined) {
    const commandId = rules.given('command_id', report.command_id, rules.isId);
    const { job: uid, cur_retry: curRetry = 0 } = report.claim;
    const claim = { pilot, sessionId, commandId, job: rules.given('claim.job', uid, rules.isId), curRetry };
    return { grant: await grant(options, claim, by), ...done };
  }
  await options.sessions.assertHolds(pilot, sessionId);
  if (report.sample !== undefined) {
    await options.samples.take(pilot, sessionId, report.sample);
    options.streams.of(pilot)?.noteRest((report.sample.resting ?? '') !== '');
  } else if (report.log !== undefined) options.logs.take(pilot, report.log);
  else {
    const counted = await take(options, report, { pilot, sessionId, by });
    if (counted !== undefined) return { ...done, reason: counted.class, msg: counted.detail };
  }
  return done;
}

async function take(
  { reports, figures }: ReportOptions,
  { started, finished, failed: failure, cancelled }: PilotReport,
  sender: Sender,
): Promise<Failure | undefined> {
  try {
    if (started !== undefined) await reports.started(started, sender);
    else if (finished !== undefined) await reports.finished(finished, sender);
    else if (failure !== undefined) return await reports.failed(failure, sender);
    else if (cancelled !== undefined) await reports.cancelled(cancelled, sender);
    else
      throw new InvalidFieldError(
        'report',
        'must hold one of claim, started, finished, failed, cancelled, sample, log',
      );
    return undefined;
  } catch (error) {
    if (error instanceof OwlError && error.reason === 'stale_claim') figures.staleClaims += 1;
    throw error;
  }
}

async function grant(
  { sessions, grants, queue, figures }: ReportOptions,
  claim: Claim,
  by: string,
): Promise<GrantMessage> {
  try {
    await assertClaims(sessions, claim);
    const granted = await grants.grant(claim, await sessions.read(claim.pilot), by);
    queue.settle(claim.pilot, claim.job, 'taken');
    return granted;
  } catch (error) {
    const reason = error instanceof OwlError ? error.reason : undefined;
    queue.settle(claim.pilot, claim.job, GONE.has(reason) && isRefusal(error) ? 'taken' : 'released');
    if (reason !== undefined) figures.refusedClaims.add(reason);
    throw error;
  }
}

/** Of a session that is over the pilot hears that there is nothing to be had. */
async function assertClaims(sessions: PilotSessions, { pilot, sessionId }: Claim): Promise<void> {
  try {
    await sessions.assertHolds(pilot, sessionId);
  } catch (error) {
    if (isRefusal(error)) throw new JobRefusedError('stale', error.message);
    throw error;
  }
}

/** A page of the inputs of a job. @throws OwlError */
export async function jobInputs(
  { context, orders }: Pick<ReportOptions, 'context' | 'orders'>,
  request: { job?: string; claim_id?: string; from?: number },
) {
  const uid = rules.given('job', request.job, rules.isId);
  const claimId = rules.given('claim_id', request.claim_id, rules.isId);
  const from = rules.optionalNumber('from', request.from, rules.isCount) ?? 0;
  assertLiving((await context.system.read(job, uid)).snapshot, uid, claimId);
  const order = await orders.of(uid);
  if (order === undefined) throw new JobRefusedError('unknown', `there is no job ${uid}`);
  return { inputs: inputsOf(order, from), inputs_total: order.inputs.length };
}

export function sessionIn({ pilot, session_id }: WorkRequest) {
  return {
    pilot: rules.given('pilot', pilot, rules.isId),
    sessionId: rules.given('session_id', session_id, rules.isId),
  };
}

function failed(
  { seq = 0, pilot = '' }: PilotReport,
  error: unknown,
  failures: ToldFailures,
): PilotReportAnswer {
  const no = { seq, is_success: false };
  if (isRefusal(error)) return { ...no, msg: error.message, reason: error.reason ?? error.kind };
  if (isTransient(error) || isDenial(error)) return { ...no, msg: messageOf(error), retryable: true };
  failures.tell(pilot, error, 'a report of a pilot failed inside the service; its sender sends it again', {
    pilot,
  });
  const msg =
    error instanceof OwlError
      ? error.message
      : 'it failed inside the service, whose log says why; send it again';
  return { ...no, msg, retryable: true };
}
