/** Reports to talent over one two-way stream. Guarantees: see AcknowledgedReports; what arrives in order is what is of one task. */

import type { Logger } from 'pino';
import type { Clock } from '../../../base/clock.js';
import type { OwlError } from '../../../base/errors.js';
import { AcknowledgedReports } from '../../../wire/acknowledged-reports.js';
import type { ReportCall } from '../../../wire/report-trial.js';
import type { PlotTaskReport, PlotTaskReportAck, PlotTaskReportAcks, PlotTaskStatus } from './messages.js';

export { ReportPutAsideError } from '../../../wire/acknowledged-reports.js';

export interface ReportStreamOptions {
  readonly open: () => ReportCall<PlotTaskReport, PlotTaskReportAcks>;
  readonly explain: (error: unknown) => OwlError;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
  /** Goes with each report; see report-key.ts. */
  readonly reportKey?: string | undefined;
}

export class ReportStream extends AcknowledgedReports<
  PlotTaskStatus,
  PlotTaskReport,
  PlotTaskReportAcks,
  PlotTaskReportAck
> {
  constructor({ reportKey, ...options }: ReportStreamOptions) {
    super({
      ...options,
      peer: 'talent',
      message: (seq, report) => ({
        seq,
        status: reportKey === undefined ? report : { ...report, report_key: reportKey },
      }),
      answersIn: ({ acks = [] }) => acks,
      workOf: ({ task_id = '' }) => task_id,
      workField: 'taskId',
    });
  }
}
