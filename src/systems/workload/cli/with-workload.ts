/** A client of the node that was asked for, and how the commands speak of datasets, tasks, jobs, series and pilots. */

import type { EntityWords } from '../../../cli/entity-commands.js';
import { clientOptions, type GlobalOptions, withClient } from '../../../cli/globals.js';
import type { Cli } from '../../../cli/system.js';
import { NODE } from '../wire/called.js';
import { type Historic, WorkloadClient } from '../wire/workload-client.js';

/** Runs `work` with a client of the node that was asked for, and closes it. The client ends with the command. */
export async function withWorkload<T>(
  cli: Cli,
  options: GlobalOptions,
  work: (client: WorkloadClient) => Promise<T>,
): Promise<T> {
  return await withClient(new WorkloadClient({ called: NODE, ...clientOptions(cli, options) }), work);
}

export type WorkloadWords = EntityWords<WorkloadClient>;

/** @param idHelp how one of them is named, where that is not as usual */
export function entityWords(cli: Cli, noun: Historic, idHelp?: string): WorkloadWords {
  return {
    ...{ cli, noun, command: `owl workload ${noun}` },
    ...(idHelp !== undefined && { idHelp }),
    within: (options, work) => withWorkload(cli, options, work),
  };
}
