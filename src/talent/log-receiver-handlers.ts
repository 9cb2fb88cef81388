/**
 * What log receivers and supervisors report of their tasks: one report a call, as old peers do, or a stream of them.
 *
 * Guarantees: a report is answered once it is durable; only what is given and differs is stored, so a report sent twice
 * changes nothing; a refused report is answered in-band with the reason, on the stream too, and the stream goes on; of a
 * task whose supervisor is attached only that machine is believed (see reporters.ts).
 */

import { OwlError } from '../runtime/errors.js';
import { acknowledgedStream, type Peer, unary } from '../runtime/grpc-server.js';
import type {
  PlotTaskReport,
  PlotTaskReportAck,
  PlotTaskReportAcks,
  PlotTaskStatus,
  PlotTaskUpdateResponse,
} from '../wire/messages.js';
import { plotTask, report } from './plot-task-commands.js';
import { refusalOf } from './refusals.js';
import { readChanges, readHeader } from './status-report.js';
import { nowSeconds, type TalentContext } from './talent-context.js';

/** Reports of one stream that may wait to become durable; then the peer waits. */
const REPORTS_IN_FLIGHT = 1024;

export function logReceiverHandlers(talent: TalentContext) {
  const { logger, system, clock } = talent;

  async function record(message: PlotTaskStatus, peer: Peer): Promise<PlotTaskUpdateResponse> {
    const header = readHeader(message, nowSeconds(clock));
    const { events, revision } = await talent.reporters.checked(message.report_key, (check) =>
      system.execute(plotTask, header.taskId, {
        ...(header.commandId === undefined ? {} : { id: header.commandId }),
        by: `reporter ${peer.address}`,
        decide: (task) => {
          check(task);
          return report(task, header.taskId, { ...header, changes: readChanges(message, task.context) });
        },
      }),
    );
    return { is_success: true, msg: events.length > 0 ? 'recorded' : 'nothing new', revision };
  }

  async function update(message: PlotTaskStatus, peer: Peer): Promise<PlotTaskUpdateResponse> {
    try {
      return await record(message, peer);
    } catch (error) {
      return { is_success: false, msg: refusalOf(error) };
    }
  }

  async function acknowledge(
    { seq = 0, status = {} }: PlotTaskReport,
    peer: Peer,
  ): Promise<PlotTaskReportAck> {
    try {
      return { seq, ...(await record(status, peer)) };
    } catch (error) {
      if (!(error instanceof OwlError)) throw error;
      const retryable =
        error.kind === 'unavailable' || error.kind === 'retryable' || error.kind === 'conflict';
      return { seq, is_success: false, msg: error.message, retryable };
    }
  }

  return {
    plot_task_update: unary(logger, update),
    plot_task_report: acknowledgedStream<PlotTaskReport, PlotTaskReportAck, PlotTaskReportAcks>(
      logger,
      REPORTS_IN_FLIGHT,
      acknowledge,
      (acks) => ({ acks }),
    ),
  };
}
