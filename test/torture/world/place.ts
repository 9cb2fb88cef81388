/** Where everything of a round lies: a directory whose name is the mark by which its processes are found. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

/** A recorded log of a plot that the shipped player plays. */
const LOG = fileURLToPath(
  new URL('../../../../test/fixtures/plotter-logs/chiapos-2-k18.log', import.meta.url),
);
const PLAY_SECONDS = 1;

/** The worker whose plots are made by real processes. */
export const REAL_WORKER = 'real';

export interface Place {
  readonly directory: string;
  /** Data of the node. */
  readonly node: string;
  /** Data of the machine with a real supervisor. */
  readonly machine: string;
  readonly cache: string;
  readonly plots: string;
  readonly config: string;
}

export function makePlace(directory: string): Place {
  const place = {
    directory,
    node: join(directory, 'node'),
    machine: join(directory, 'machine'),
    cache: join(directory, 'cache'),
    plots: join(directory, 'plots'),
    config: join(directory, 'owl.yaml'),
  };
  for (const path of [directory, place.machine, place.cache, place.plots])
    mkdirSync(path, { recursive: true });
  writeFileSync(place.config, stringify(configuration()));
  return place;
}

function configuration(): object {
  return {
    log: { level: 'info' },
    leases: { default_seconds: 2, give_up_seconds: 3 },
    supervisor: { plotter: 'torture', max_plots: 3, max_per_cache: 3, grace_seconds: 1 },
    plotters: {
      torture: {
        argv: [
          ...['{node}', '{player}', '--log', LOG, '--seconds', String(PLAY_SECONDS)],
          ...['-t', '{cache1}', '-2', '{cache2}', '-d', '{dest}', '-f', '{file_name}', '-i', '{plot_id}'],
        ],
        format: 'chiapos',
        temp: ['plot-k{ksize}-*{plot_id}.plot.*tmp'],
        fills: [],
      },
    },
  };
}
