/**
 * Reports of a pilot over a broker, as the calls that acknowledged reports are made of: a report is a request, and its answer is the
 * report's. It never breaks by itself, for a request outlives the connection.
 */

import { randomUUID } from 'node:crypto';
import { EventEmitter, setMaxListeners } from 'node:events';
import type { ReportCall } from '../../../../../wire/report-trial.js';
import type { PilotType } from '../../../wire/amqp/envelope.js';
import type {
  LogPiece,
  PilotReport,
  PilotReportAnswer,
  PilotReportAnswers,
} from '../../../wire/pilot-messages.js';
import { grantIn, refusalIn, takenIn } from './messages-to-pilots.js';
import type { Answer, Request, Requests } from './requests.js';

export class ReportsOverBroker extends EventEmitter implements ReportCall<PilotReport, PilotReportAnswers> {
  private readonly requests: Requests;
  private readonly over = new AbortController();

  constructor(requests: Requests) {
    super();
    this.requests = requests;
    setMaxListeners(0, this.over.signal);
  }

  write(report: PilotReport): void {
    const { seq = 0, log } = report;
    if (log !== undefined) {
      this.requests.tellOnce(pieceOf(report, log));
      this.answer({ seq, is_success: true });
      return;
    }
    this.requests.ask(requestOf(report), { signal: this.over.signal }).then(
      (answer) => this.answer({ seq, ...answerIn(answer) }),
      (error: unknown) => {
        if (!this.over.signal.aborted) this.emit('error', error);
      },
    );
  }

  end(): void {
    // Only once all of it is answered.
  }

  cancel(): void {
    this.over.abort();
  }

  private answer(answer: PilotReportAnswer): void {
    setImmediate(() => {
      if (!this.over.signal.aborted) this.emit('data', { answers: [answer] });
    });
  }
}

function requestOf(report: PilotReport): Request {
  const { command_id: messageId = randomUUID(), pilot, session_id } = report;
  const [type, told] = toldIn(report);
  return { type, messageId, body: { pilot, session_id, ...told } };
}

function toldIn({ claim, started, finished, failed, cancelled }: PilotReport): [PilotType, object] {
  if (claim !== undefined) return ['job.claim', claim];
  if (started !== undefined) return ['job.started', started];
  if (finished !== undefined) return ['job.finished', finished];
  if (failed !== undefined) return ['job.failed', failed];
  return ['job.cancelled', cancelled ?? {}];
}

function pieceOf({ pilot, session_id }: PilotReport, { content, ...piece }: LogPiece): Request {
  const encoded = content === undefined ? {} : { content: content.toString('base64') };
  return {
    type: 'log.piece',
    messageId: randomUUID(),
    body: { pilot, session_id, ...piece, ...encoded },
  };
}

/** Of a claim, or of a report. */
function answerIn({ type, body }: Answer): PilotReportAnswer {
  if (type === 'job.granted') return { is_success: true, grant: grantIn(body) };
  if (type === 'report.taken') return { is_success: true, ...takenIn(body) };
  if (type !== 'job.refused' && type !== 'refused')
    return { is_success: false, retryable: true, msg: `the node has answered with ${type}` };
  const { kind, reason, msg, retryable } = refusalIn(body);
  return { is_success: false, msg, reason: reason === '' ? kind : reason, retryable };
}
