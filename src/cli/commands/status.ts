/** `owl status`: the systems of a node, and what of them runs on this machine as it is configured. */

import type { Command } from 'commander';
import { toJson } from '../format.js';
import { configOf, type GlobalOptions, nodeAddress, withNode } from '../globals.js';
import { addExamples } from '../help.js';
import { type MachineState, machineStates } from '../machine-states.js';
import type { Cli } from '../system.js';
import { type Column, renderTable } from '../table.js';

export function addStatusCommand(program: Command, cli: Cli): void {
  const status = program
    .command('status')
    .summary('show the systems of a node')
    .description(
      'Shows which systems the node runs, and what `owl up` runs of them on this machine as it is configured here, or why ' +
        'nothing. How far readers and timers are is in `owl node status`.',
    );
  addExamples(status, [['owl status', 'what runs, and why not']]);
  status.action(async (_options: unknown, self: Command) => {
    await showStatus(cli, self.optsWithGlobals<GlobalOptions>());
  });
}

async function showStatus(cli: Cli, options: GlobalOptions): Promise<void> {
  const { out } = cli;
  const loaded = configOf(cli, options);
  await withNode(cli, options, async (node) => {
    const { worker_id, systems: names = [] } = await node.status();
    // A node of another version may run systems that this command knows nothing of.
    const known = cli.systems.filter(({ name }) => names.includes(name));
    const states = machineStates(known, loaded, true);
    const server = nodeAddress(cli, options);
    const systems = names.map(
      (name) =>
        states.find(({ system }) => system === name) ?? { system: name, side: undefined, whyNot: undefined },
    );
    if (options.json) await out.line(toJson({ server, worker_id, systems: systems.map(messageOf) }));
    else await out.write(renderTable(COLUMNS, systems, out));
  });
}

function messageOf({ system, side, whyNot }: MachineState) {
  return { name: system, machine: whyNot === undefined ? side?.name : undefined, why_not: whyNot };
}

const COLUMNS: readonly Column<MachineState>[] = [
  { title: 'SYSTEM', rank: 0, value: ({ system }) => system },
  { title: 'ON THIS MACHINE', rank: 0, least: 16, overflow: 'wrap', value: machineLine },
];

function machineLine({ side, whyNot }: MachineState): string {
  if (whyNot !== undefined) return `nothing, since ${whyNot}`;
  return side === undefined ? 'nothing: it starts no processes' : `${side.name}, with owl up`;
}
