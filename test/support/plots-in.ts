/** The plots of a data directory, as talent's programs have them. */

import type { PlotRecords } from '../../src/systems/talent/machine/plot-record.js';
import { TalentDirectory } from '../../src/systems/talent/machine/talent-directory.js';

/** @param data absolute */
export function plotsIn(data: string): PlotRecords {
  return new TalentDirectory(data).plots;
}
