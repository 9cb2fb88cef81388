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
  /** How long a plotter may print nothing before that is remarked. Default, or 0: for ever. */
  readonly quietMs?: number;
  /** Ends the watching, not the plots. */
  readonly signal: AbortSignal;
  readonly logPid: () => number | undefined;
  /** True while a keeper will write this plot's end. */
  readonly isKept: (key: PlotKey) => boolean;
  /** What the keeper has told of an end that it can't write. */
  readonly unwrittenEnd: (key: PlotKey) => PlotEnd | undefined;
}

/** As it is configured. */
export function patienceWith(config: {
  readonly grace_seconds: number;
  readonly quiet_seconds: number;
}): Pick<PlotEnvironment, 'stopGraceMs' | 'quietMs'> {
  return { stopGraceMs: config.grace_seconds * 1000, quietMs: config.quiet_seconds * 1000 };
}
