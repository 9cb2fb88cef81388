/**
 * Reports that must arrive. What they say of times comes from the clock of their machine; talent refuses times too far from
 * its own, and a wrong clock must not cost more than the times.
 */

import type { PlotTaskReportAck, PlotTaskStatus } from './messages.js';
import type { ReportStream } from './report-stream.js';

/**
 * Sends a report; one that is refused goes once more without its times, and talent takes its own.
 * @throws OwlError kind `unavailable` when the stream is closed before there is an answer
 */
export async function sendReport(reports: ReportStream, report: PlotTaskStatus): Promise<PlotTaskReportAck> {
  const ack = await reports.send(report);
  const { pending_time, started_time, running_time, finished_time, ...rest } = report;
  const hasTimes = [pending_time, started_time, running_time, finished_time].some(
    (time) => time !== undefined,
  );
  return ack.is_success === true || !hasTimes ? ack : await reports.send(rest);
}
