/** `owl supervisor run`, or just `owl supervisor`: makes plots on this machine until it is told to stop; what runs by then goes on. */

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { packageVersion } from '../../../base/package-version.js';
import { toJson } from '../../../cli/format.js';
import { configOf, credentialsAt, type GlobalOptions, nodeAddress } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { loggerOf, untilInterrupted } from '../../../cli/service.js';
import { addSettings } from '../../../cli/setting-options.js';
import type { Cli } from '../../../cli/system.js';
import type { LoadedConfig } from '../../../node/config/config.js';
import { keysOf } from '../../../node/config/config-section.js';
import type { NodeConfig } from '../../../node/config/node-section.js';
import { tellOpenPlacesOfCaller } from '../../../node/open-places.js';
import { type TalentConfig, talentSection } from '../config.js';
import type { PlotterDeclaration } from '../supervisor/plotters/plotters.js';
import { SHIPPED_PLOTTERS } from '../supervisor/plotters/shipped-plotters.js';
import type { SupervisorConfig } from '../supervisor/supervisor.js';

const OWL = fileURLToPath(new URL('../../../owl.js', import.meta.url));
/** The keys that concern a supervisor; all those of its own section besides. */
const COMMON_KEYS: readonly string[] = ['data', 'worker_id', 'log.level', 'log.format'];

export function addSupervisorRunCommand(group: Command, terminal: Cli): void {
  const run = group
    .command('run', { isDefault: true })
    .summary('make plots on this machine (also without `run`)')
    .description(
      'Takes tasks from the talent, starts plotters for them as far as there is room, watches and stops them. ' +
        'The first SIGINT or SIGTERM ends it in order. Plotters are detached: they go on whatever happens to it, and the ' +
        'next supervisor takes them over. On another machine than the talent, give it a worker_id. Its log goes to stderr.',
    );
  const { nodeKeys } = terminal.settings;
  const own = keysOf(talentSection.shape).filter(({ path }) => path[0] === 'supervisor');
  const keys = [...nodeKeys.filter(({ key }) => COMMON_KEYS.includes(key)), ...own];
  const flagsOf = addSettings(run, keys);
  addExamples(run, [
    ['owl supervisor run --data /var/lib/owl', 'for the talent of this machine'],
    ['owl supervisor run --server farm:50051 --worker-id shed-3', 'for one on another machine'],
  ]);
  run.action(async (given: Readonly<Record<string, string | undefined>>, self: Command) => {
    const global = self.optsWithGlobals<GlobalOptions>();
    await runSupervisor(terminal, global, configOf(terminal, global, flagsOf(given)));
  });
}

async function runSupervisor(terminal: Cli, options: GlobalOptions, loaded: LoadedConfig): Promise<void> {
  const { config, file } = loaded;
  const talent = loaded.of(talentSection);
  const server = nodeAddress(terminal, options);
  // Loaded here, because no other command needs what a service needs.
  const { startSupervisor } = await import('../supervisor/supervisor.js');
  const logger = loggerOf(terminal, config);
  tellOpenPlacesOfCaller(loaded, logger);
  const supervisor = await startSupervisor({
    config: supervisorConfig(config, talent, server),
    logReceiver: [
      ...[process.execPath, OWL, 'log-receiver', '--data', config.data, '--server', server],
      ...(file === undefined ? [] : ['--config', resolve(terminal.cwd, file)]),
    ],
    credentials: credentialsAt(loaded, server),
    logger,
    version: packageVersion(),
    path: terminal.env['PATH'] ?? '',
    interrupted: terminal.interrupted,
  });
  try {
    const { plotter } = talent.supervisor;
    const told = `owl supervisor makes plots with ${plotter} for ${server}, with its data in ${config.data}`;
    await terminal.out.line(
      options.json ? toJson({ data: config.data, server, plotter, pid: process.pid }) : told,
    );
    await untilInterrupted(
      terminal,
      supervisor.lost.then((error) => Promise.reject(error)),
    );
  } finally {
    await supervisor.stop();
  }
}

function supervisorConfig(config: NodeConfig, talent: TalentConfig, server: string): SupervisorConfig {
  return {
    ...talent.supervisor,
    data: config.data,
    server,
    worker_id: config.worker_id,
    plotters: declaredPlotters(talent),
    lease_seconds: undefined,
  };
}

/** The shipped ones, and those of the configuration, which come first where names are the same. */
export function declaredPlotters({
  plotters,
  supervisor: { compression },
}: TalentConfig): PlotterDeclaration[] {
  const own = Object.entries(plotters).map(([name, declaration]) => ({ name, ...declaration }));
  const all = [...SHIPPED_PLOTTERS.filter(({ name }) => plotters[name] === undefined), ...own];
  return all.map((plotter) => ({ ...plotter, compression }));
}
