/**
 * What log receivers and supervisors report of their tasks: one report a call, as old peers do, or a stream of them.
 *
 * Guarantees: a report is answered once it is durable; only what is given and differs is stored, so a report sent twice
 * changes nothing; a refused report is answered in-band with the reason, on the stream too, and the stream goes on; so it
 * does with one that fails inside the service, which is answered as one to send again later and told in the log once, however
 * often it comes again; of a task whose supervisor is attached only that machine is believed (see reporters.ts).
 */

import { messageOf, OwlError } from '../../../../base/errors.js';
import { isDenial, isRefusal, isTransient } from '../../../../base/failure-kinds.js';
import { ToldFailures } from '../../../../base/told-failures.js';
import { acknowledgedStream, type Peer, unary } from '../../../../node/serving/calls.js';
import { answerInBand } from '../../../../node/serving/refusals.js';
import type {
  PlotTaskReport,
  PlotTaskReportAck,
  PlotTaskReportAcks,
  PlotTaskStatus,
  PlotTaskUpdateResponse,
} from '../../wire/messages.js';
import { plotTask, report } from '../plot-task-commands.js';
import { nowSeconds, type TalentContext } from '../talent-context.js';
import { readChanges, readHeader } from './status-report.js';

/** Reports of one stream that may wait to become durable; then the peer waits. */
const REPORTS_IN_FLIGHT = 1024;

/** @param closing ends the streams of reports, once what has come is answered */
export function logReceiverHandlers(
  talent: Pick<TalentContext, 'logger' | 'system' | 'clock' | 'reporters'>,
  closing: AbortSignal,
) {
  const { logger, system, clock } = talent;
  const failures = new ToldFailures(logger);

  async function record(message: PlotTaskStatus, peer: Peer): Promise<Required<PlotTaskUpdateResponse>> {
    const now = nowSeconds(clock);
    const { taskId, commandId, status, times, attempt } = readHeader(message, now);
    const { events, revision } = await talent.reporters.checked(message.report_key, (check) =>
      system.execute(plotTask, taskId, {
        id: commandId,
        by: `reporter ${peer.who}`,
        decide: (task) => {
          check(task);
          return report(task, taskId, {
            status,
            times,
            changes: readChanges(message, task.context),
            attempt,
            now,
          });
        },
      }),
    );
    return { is_success: true, msg: events.length > 0 ? 'recorded' : 'nothing new', revision };
  }

  function update(message: PlotTaskStatus, peer: Peer): Promise<PlotTaskUpdateResponse> {
    return answerInBand<PlotTaskUpdateResponse>(
      () => record(message, peer),
      (msg) => ({ is_success: false, msg }),
    );
  }

  async function acknowledge(
    { seq = 0, status = {} }: PlotTaskReport,
    peer: Peer,
  ): Promise<PlotTaskReportAck> {
    const { is_success, msg, revision } = await record(status, peer);
    failures.forget(whatOf(status));
    return { seq, is_success, msg, revision };
  }

  function acknowledgeFailure({ seq = 0, status = {} }: PlotTaskReport, error: unknown): PlotTaskReportAck {
    if (isRefusal(error)) return { seq, is_success: false, msg: error.message };
    // Its sender keeps what there is to tell until somebody lets it.
    if (isTransient(error) || isDenial(error))
      return { seq, is_success: false, msg: messageOf(error), retryable: true };
    failures.tell(whatOf(status), error, 'a report failed inside the service; its sender sends it again', {
      taskId: status.task_id,
    });
    const msg =
      error instanceof OwlError
        ? error.message
        : 'it failed inside the service, whose log says why; send it again later';
    return { seq, is_success: false, msg, retryable: true };
  }

  return {
    plot_task_update: unary(logger, update),
    plot_task_report: acknowledgedStream<PlotTaskReport, PlotTaskReportAck, PlotTaskReportAcks>(logger, {
      inFlight: REPORTS_IN_FLIGHT,
      handle: acknowledge,
      answerFailure: acknowledgeFailure,
      pack: (acks) => ({ acks }),
      closing,
    }),
  };
}

/** What one report is about: all that fail of one task do so for the same reason, most likely. */
function whatOf({ task_id: taskId = '' }: PlotTaskStatus): string {
  return taskId;
}
