/** Reports that nobody waits for: what talent refuses is logged, and nothing depends on it. */

import type { Logger } from 'pino';
import type { PlotTaskStatus } from '../wire/messages.js';
import type { ReportStream } from '../wire/report-stream.js';

export interface Telling {
  readonly reports: ReportStream;
  readonly logger: Logger;
  /** Has aborted when the reports are closed on purpose. */
  readonly signal: AbortSignal;
}

export function tellTalent({ reports, logger, signal }: Telling, report: PlotTaskStatus): void {
  reports.send(report).then(
    ({ is_success, msg }) => {
      if (is_success !== true)
        logger.info({ taskId: report.task_id, reason: msg }, 'talent refused a report');
    },
    (error: unknown) => {
      if (!signal.aborted) logger.error({ err: error, taskId: report.task_id }, 'a report was lost');
    },
  );
}
