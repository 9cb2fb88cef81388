/**
 * What pilots say over the broker: each message becomes the call that gRPC would have made, and is answered to the queue of its pilot.
 *
 * Guarantees: a message is the broker's until what it leads to is stored or refused, so a node that is killed loses none; while the store is
 * away those that wait for it stay unanswered, and nobody is called silent; a message that comes again gets the same answer; what
 * can't be read, or is about a job that there is not, goes to the dead with the reason, and its queue goes on; a pilot without a lease
 * is told so.
 */

import { Backoff, wait } from '../../../../base/backoff.js';
import { messageOf, OwlError } from '../../../../base/errors.js';
import { isRefusal, isTransient } from '../../../../base/failure-kinds.js';
import { ToldFailures } from '../../../../base/told-failures.js';
import { uuidOf } from '../../../../base/uuid.js';
import type { Lease } from '../../../../peers/held-leases.js';
import type { ServedPeers } from '../../../../peers/served-peers.js';
import type { Delivery } from '../../wire/amqp/broker-channel.js';
import {
  decode,
  type Envelope,
  type ManagerType,
  PILOT_TYPES,
  type PilotType,
  PoisonMessageError,
} from '../../wire/amqp/envelope.js';
import { pilotQueue } from '../../wire/amqp/topology.js';
import type { JobQueries } from '../jobs/job-queries.js';
import { answer, jobInputs, type ReportOptions, sessionIn } from '../pilots/pilot-handlers.js';
import type { PilotReport } from '../pilots/report-messages.js';
import type { SendToPilot } from './broker-line.js';
import type { BrokerLines } from './broker-lines.js';
import { attachingOf, inputsRequestOf, jobIn, reportOf, textOf } from './pilot-request.js';
import { untilQueued } from './until-queued.js';

type Request = Envelope & { readonly type: PilotType };

export interface PilotEventsOptions {
  readonly reports: ReportOptions;
  readonly queries: JobQueries;
  readonly peers: Pick<ServedPeers, 'attach' | 'beat' | 'leave' | 'terms'>;
  readonly lines: BrokerLines;
  readonly send: SendToPilot;
  /** Lays it with the dead. */
  readonly bury: (delivery: Delivery, why: PoisonMessageError) => Promise<void>;
  /** Nobody is heard until the returned function is called. */
  readonly deafen: () => () => void;
}

interface Answer {
  readonly type: ManagerType;
  readonly body: Readonly<Record<string, unknown>>;
}

export class PilotEvents {
  private readonly options: PilotEventsOptions;
  private readonly failures: ToldFailures;
  /** Messages whose outcome the store does not take. */
  private waiting = 0;
  private hear: (() => void) | undefined;

  constructor(options: PilotEventsOptions) {
    this.options = options;
    this.failures = new ToldFailures(options.reports.context.logger);
  }

  /** Never rejects. @param over aborts when its channel is gone: then it is the broker's again */
  async take(delivery: Delivery, over: AbortSignal): Promise<void> {
    let request: Request | undefined;
    let pilot = '';
    try {
      request = decode(delivery.message, PILOT_TYPES);
      pilot = this.senderOf(request);
      const answered = await this.untilStored(request, over);
      if (answered !== undefined) this.answer(pilot, request, answered);
      delivery.ack();
    } catch (error) {
      if (over.aborted) return;
      if (!isFinal(error))
        this.failures.tell(
          pilot,
          error,
          'a message of a pilot failed inside the service; its sender sends it again',
          {
            ...{ pilot, type: request?.type },
          },
        );
      if (request !== undefined && pilot !== '') this.answer(pilot, request, refusalOf(request, error));
      if (error instanceof PoisonMessageError) await this.options.bury(delivery, error);
      else delivery.ack();
    }
  }

  /** @throws PoisonMessageError where nobody could be answered */
  private senderOf({ body }: Request): string {
    try {
      const who = { pilot: textOf(body['pilot']) ?? '', session_id: textOf(body['session_id']) ?? '' };
      const { pilot } = sessionIn(who);
      pilotQueue(pilot);
      return pilot;
    } catch (error) {
      throw new PoisonMessageError(messageOf(error), { cause: error, poison: 'sender' });
    }
  }

  private answer(pilot: string, { messageId }: Request, { type, body }: Answer): void {
    const id = uuidOf(`owl/workload/answer/1/${pilot}/${messageId}`);
    this.options.send(pilot, type, body, id, messageId);
  }

  /** Again and again while it may come to something. @throws what it is refused for */
  private async untilStored(request: Request, over: AbortSignal): Promise<Answer | undefined> {
    const { clock } = this.options.reports.context;
    const backoff = new Backoff({ longestMs: 1_000 });
    let isWaiting = false;
    try {
      for (;;) {
        try {
          return await this.handle(request);
        } catch (error) {
          if (over.aborted || !isTransient(error)) throw error;
          this.noteUntaken(request, error);
          if (!isWaiting && isAway(error)) {
            this.noteWaiting(1);
            isWaiting = true;
          }
          await wait(clock, backoff.next(), over);
        }
      }
    } finally {
      if (isWaiting) this.noteWaiting(-1);
    }
  }

  private noteWaiting(more: 1 | -1): void {
    this.waiting += more;
    if (this.waiting > 0) this.hear ??= this.options.deafen();
    else {
      this.hear?.();
      this.hear = undefined;
    }
  }

  private noteUntaken({ type, body }: Request, error: unknown): void {
    const { logger } = this.options.reports.context;
    const pilot = textOf(body['pilot']) ?? '';
    logger.debug({ err: error, pilot, type }, 'a message of a pilot is not taken yet; it is tried again');
  }

  private async handle(request: Request): Promise<Answer | undefined> {
    const { peers, reports } = this.options;
    const { type, body, messageId } = request;
    const { pilot, sessionId } = sessionIn({
      pilot: textOf(body['pilot']) ?? '',
      session_id: textOf(body['session_id']) ?? '',
    });
    const by = `pilot ${pilot} over the broker`;
    switch (type) {
      case 'pilot.register': {
        // A session attaches once: what comes again late must not take the lease from one that came since.
        const id = `register/${sessionId}`;
        const { lease, protocol } = await peers.attach(attachingOf(body, pilot, sessionId), by, id);
        await this.options.lines.open(pilot, sessionId);
        return { type: 'pilot.welcome', body: { ...this.leaseOf(lease), protocol } };
      }
      case 'pilot.heartbeat': {
        const lease = await this.beat(pilot, sessionId, by);
        await this.options.lines.open(pilot, sessionId);
        const report = reportOf(request);
        if (report !== undefined) await answer(reports, report, { who: by });
        return { type: 'lease', body: this.leaseOf(lease) };
      }
      case 'pilot.bye':
        await peers.leave(pilot, sessionId, textOf(body['reason'])?.slice(0, 255), by);
        return { type: 'report.taken', body: {} };
      case 'job.inputs': {
        await reports.sessions.assertHolds(pilot, sessionId);
        return { type: 'job.inputs.page', body: { ...(await jobInputs(reports, inputsRequestOf(request))) } };
      }
      default:
        return await this.report(request, messageId, by);
    }
  }

  private async beat(pilot: string, sessionId: string, by: string): Promise<Lease> {
    try {
      return await this.options.peers.beat(pilot, sessionId, by);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw new OwlError('refused', error.message, { cause: error, reason: 'stale_session' });
    }
  }

  private async report(request: Request, messageId: string, by: string): Promise<Answer | undefined> {
    const { reports } = this.options;
    const report = reportOf(request);
    if (report === undefined) throw new PoisonMessageError(`nothing is known of ${request.type}`);
    const { claim } = report;
    if (claim?.job !== undefined)
      await untilQueued(reports.context, { job: claim.job, curRetry: claim.cur_retry ?? 0 });
    try {
      const { grant, reason, msg } = await answer(reports, report, { who: by });
      if (report.log !== undefined) return undefined;
      if (grant !== undefined) return { type: 'job.granted', body: { ...grant } };
      return { type: 'report.taken', body: reason === undefined ? {} : { reason, msg } };
    } catch (error) {
      if (isRefusal(error)) await this.assertKnown(report, messageId);
      throw error;
    }
  }

  /** @throws PoisonMessageError for a job that there is not */
  private async assertKnown(report: PilotReport, messageId: string): Promise<void> {
    const uid = jobIn(report);
    if (uid === undefined || (await this.options.reports.orders.of(uid)) !== undefined) return;
    throw new PoisonMessageError(`message ${messageId} is about job ${uid}, which there is not`, {
      poison: 'unknown_job',
    });
  }

  private leaseOf({ peerId, sessionId, leaseSeconds, expiresAt }: Lease) {
    const { peers, queries } = this.options;
    const { policy } = peers.terms;
    return {
      ...{ pilot: peerId, session_id: sessionId, lease_seconds: leaseSeconds, expires_at: expiresAt / 1000 },
      policy: policy.kind,
      ...(policy.kind === 'end'
        ? { give_up_seconds: policy.giveUpSeconds, margin_seconds: policy.marginSeconds }
        : {}),
      draining: queries.pilot(peerId)?.['status'] === 'draining',
    };
  }
}

/** The store does not answer: whoever waits for that is not silent. */
function isAway(error: unknown): boolean {
  return error instanceof OwlError && error.kind === 'unavailable';
}

/** Trying again changes nothing. */
function isFinal(error: unknown): boolean {
  return isRefusal(error) || error instanceof PoisonMessageError;
}

function refusalOf({ type }: Request, error: unknown): Answer {
  const isOwn = error instanceof OwlError;
  return {
    type: type === 'job.claim' ? 'job.refused' : 'refused',
    body: {
      ...{ kind: isOwn ? error.kind : 'unavailable', reason: reasonOf(error) },
      ...{ msg: messageOf(error), retryable: !isFinal(error) },
    },
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof PoisonMessageError) return 'unknown';
  return error instanceof OwlError ? (error.reason ?? error.kind) : 'unavailable';
}
