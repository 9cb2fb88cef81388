/**
 * The node of `owl demo`: `owl up` in a directory of its own, with players as plotters.
 *
 * Guarantees: when it comes back, no process of the node is left; what is configured on this machine for other nodes does
 * not count for this one; where its store is, and what names the password for it, stands in a file that only this user can
 * read and on no command line.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../../../base/package-root.js';
import { DemoProcesses, untilFree } from '../../../cli/demo-processes.js';
import type { Terminal } from '../../../cli/terminal.js';
import { TalentDirectory } from '../machine/talent-directory.js';
import { PlotManagerClient } from '../wire/plot-manager-client.js';

const RECORDED_LOG = join(PACKAGE_ROOT, 'demo', 'madmax-k32.txt');
const PLAY_SECONDS = 8;
const STAGGER_SECONDS = 2;
/** Longer than a player plays: those that could not be stopped have ended by themselves. */
const ENDS_WITHIN_MS = 10_000;

const Serving = z.object({ address: z.string() });

export interface DemoNodeOptions {
  /** Holds all that the node makes: `node`, `cache` and `plots`, its configuration and its log. */
  readonly directory: string;
  readonly maxPlots: number;
  /** The keys of the configuration that say where the history is kept. Default: in the node's data directory. */
  readonly store: { readonly store?: string; readonly store_credentials_file?: string };
}

/** Runs the node for as long as the work takes. */
export async function withDemoNode(
  terminal: Terminal,
  { directory, maxPlots, store }: DemoNodeOptions,
  work: (talent: PlotManagerClient) => Promise<void>,
): Promise<void> {
  const data = join(directory, 'node');
  const config = join(directory, 'owl.yaml');
  for (const place of ['cache', 'plots']) mkdirSync(join(directory, place));
  writeFileSync(config, stringify({ ...store, ...plottingWithPlayers(maxPlots) }), { mode: 0o600 });
  const processes = new DemoProcesses(terminal, directory);
  try {
    const { firstLine } = await processes.start('node', 'the node of the demo', [
      ...['up', '--json', '--config', config, '--data', data, '--listen', '127.0.0.1:0'],
    ]);
    const { address } = Serving.parse(JSON.parse(firstLine));
    const talent = new PlotManagerClient({ server: address });
    try {
      await work(talent);
    } finally {
      talent.close();
    }
  } finally {
    await processes.stop();
    // The last process of a node to go is the keeper of its plots.
    await untilFree(new TalentDirectory(data).keeperLock, ENDS_WITHIN_MS);
  }
}

function plottingWithPlayers(maxPlots: number): object {
  return {
    supervisor: { plotter: 'player', max_plots: maxPlots, stagger_seconds: STAGGER_SECONDS },
    plotters: {
      player: {
        argv: [
          ...['{node}', '{player}', '--log', RECORDED_LOG, '--seconds', String(PLAY_SECONDS)],
          ...['-t', '{cache1}', '-2', '{cache2}', '-d', '{dest}', '-i', '{plot_id}'],
        ],
        format: 'madmax',
        temp: ['plot-k{ksize}-*-{plot_id}.*tmp'],
        // It writes next to nothing, so a small disk is no reason to wait.
        fills: [],
      },
    },
  };
}
