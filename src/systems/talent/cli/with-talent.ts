/** A client of the talent that was asked for, for the commands of the system. */

import { clientOptions, type GlobalOptions, withClient } from '../../../cli/globals.js';
import type { Cli } from '../../../cli/system.js';
import { PlotManagerClient } from '../wire/plot-manager-client.js';

/** Runs `work` with a client of the talent that was asked for, and closes it. The client ends with the command. */
export async function withTalent<T>(
  terminal: Cli,
  options: GlobalOptions,
  work: (talent: PlotManagerClient) => Promise<T>,
): Promise<T> {
  return await withClient(new PlotManagerClient(clientOptions(terminal, options)), work);
}
