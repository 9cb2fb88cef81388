/** What a plot of this machine works with. */

import type { Logger } from 'pino';
import type { Clock } from '../../../../base/clock.js';
import type { PlotEnd, PlotKey } from '../../machine/plot-record.js';
import type { TalentDirectory } from '../../machine/talent-directory.js';
import type { PlotManagerClient } from '../../wire/plot-manager-client.js';
import type { ReportStream } from '../../wire/report-stream.js';

export interface PlotEnvironment {
  readonly machine: TalentDirectory;
  readonly client: PlotManagerClient;
  readonly reports: ReportStream;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stopGraceMs: number;
  /** Ends the watching, not the plots. */
  readonly signal: AbortSignal;
  readonly logPid: () => number | undefined;
  /** True while a keeper will write this plot's end. */
  readonly isKept: (key: PlotKey) => boolean;
  /** What the keeper has told of an end that it can't write. */
  readonly unwrittenEnd: (key: PlotKey) => PlotEnd | undefined;
}
