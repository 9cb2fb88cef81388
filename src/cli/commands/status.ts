/** `owl status`: a node on one page: its systems, what of them runs on this machine, what runs, what waits and why. */

import type { Command } from 'commander';
import { OwlError } from '../../base/errors.js';
import type { LoadedConfig } from '../../node/config/config.js';
import type { ServiceClientOptions } from '../../wire/service-client.js';
import { toJson } from '../format.js';
import { clientOptions, configOf, type GlobalOptions, withNode } from '../globals.js';
import { addExamples } from '../help.js';
import { machineStates } from '../machine-states.js';
import { type SystemState, statusPage } from '../status-view.js';
import type { Cli, System } from '../system.js';

export function addStatusCommand(program: Command, cli: Cli): void {
  const status = program
    .command('status')
    .summary('show a node: its systems, what runs, what waits and why')
    .description(
      'Shows which systems the node runs, what of them runs on this machine or why nothing, what work is done and how far it ' +
        'is, and what waits and why. How far readers and timers are is in `owl node status`.',
    );
  addExamples(status, [
    ['owl status', 'what runs, what waits, and why'],
    ["owl status --json | jq '.systems[].waits'", 'what waits, for a program'],
  ]);
  status.action(async (_options: unknown, self: Command) => {
    await showStatus(cli, self.optsWithGlobals<GlobalOptions>());
  });
}

async function showStatus(cli: Cli, options: GlobalOptions): Promise<void> {
  const { out } = cli;
  const loaded = configOf(cli, options);
  const client = clientOptions(cli, options);
  await withNode(cli, options, async (node) => {
    const status = await node.status();
    const { worker_id, not_serving, systems: names = [] } = status;
    // A node of another version may run systems that this command knows nothing of.
    const known = cli.systems.filter(({ name }) => names.includes(name));
    const states = machineStates(known, loaded, true);
    const systems: SystemState[] = [];
    for (const name of names) {
      const state = states.find(({ system }) => system === name);
      const system = known.find((one) => one.name === name);
      const { work, problem } = await askWork(system, loaded, client);
      systems.push({ ...(state ?? { system: name, side: undefined, whyNot: undefined }), work, problem });
    }
    if (options.json)
      await out.line(
        toJson({ server: client.server, worker_id, not_serving, systems: systems.map(messageOf) }),
      );
    else await out.write(statusPage(client.server, status, systems, out));
  });
}

/** One system that does not answer keeps nothing from being shown of the others. */
async function askWork(
  system: System | undefined,
  loaded: LoadedConfig,
  client: ServiceClientOptions,
): Promise<Pick<SystemState, 'work' | 'problem'>> {
  try {
    const { data } = loaded.config;
    const work = await system?.work?.({ config: loaded.of(system.config), client, data });
    return { work, problem: undefined };
  } catch (error) {
    if (!(error instanceof OwlError)) throw error;
    return { work: undefined, problem: error.message };
  }
}

function messageOf({ system, side, whyNot, work, problem }: SystemState) {
  return {
    name: system,
    machine: whyNot === undefined ? side?.name : undefined,
    why_not: whyNot,
    problem,
    ...(work === undefined
      ? {}
      : {
          service: work.service,
          on_this_machine: work.machine,
          switched_off: work.switchedOff,
          runs: work.runs,
          waits: work.waits,
          has_more: work.hasMore,
        }),
  };
}
