/**
 * Reports that nobody waits for: what talent refuses is logged, and nothing depends on it.
 *
 * Guarantee: one that talent fails at is kept and told again later, with growing pauses, as long as it is news; it is lost only
 * with its supervisor, whose successor tells what is so then.
 */

import type { Logger } from 'pino';
import { Backoff, wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import type { PlotTaskStatus } from '../wire/messages.js';
import { ReportPutAsideError, type ReportStream } from '../wire/report-stream.js';

export interface Telling {
  readonly reports: ReportStream;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Has aborted when the reports are closed on purpose. */
  readonly signal: AbortSignal;
}

/** @param isNews false once something else is to be told instead */
export function tellTalent(
  telling: Telling,
  report: PlotTaskStatus,
  isNews: () => boolean = () => true,
): void {
  void tell(telling, report, isNews);
}

/** Never rejects. */
async function tell(
  { reports, clock, logger, signal }: Telling,
  report: PlotTaskStatus,
  isNews: () => boolean,
): Promise<void> {
  const backoff = new Backoff({ firstMs: 1_000, longestMs: 60_000 });
  while (!signal.aborted && isNews()) {
    try {
      const { is_success, msg } = await reports.send(report);
      if (is_success !== true)
        logger.info({ taskId: report.task_id, reason: msg }, 'talent refused a report');
      return;
    } catch (error) {
      if (signal.aborted) return;
      // The stream has told it.
      if (!(error instanceof ReportPutAsideError)) {
        logger.error({ err: error, taskId: report.task_id }, 'a report was lost');
        return;
      }
    }
    await wait(clock, backoff.next(), signal);
  }
}
