/** `owl supervisor`: running one, asking the one of this machine, and the list of those that a talent knows. */

import type { Command } from 'commander';
import { formatAge, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { remarksColumn } from '../../../cli/remarks-column.js';
import type { Cli } from '../../../cli/system.js';
import { type Column, renderTable } from '../../../cli/table.js';
import { refuseUnknown } from '../../../cli/usage.js';
import type { SupervisorStatus } from '../wire/messages.js';
import { addSupervisorControlCommands } from './supervisor-control.js';
import { addSupervisorRunCommand } from './supervisor-run.js';
import { withTalent } from './with-talent.js';

export function addSupervisorCommands(program: Command, terminal: Cli): void {
  const group = program
    .command('supervisor')
    .summary('make plots on this machine, and look at supervisors')
    .description(
      'Runs the supervisor of this machine, asks it for things, and lists the supervisors of a farm. Without a command it ' +
        'is `run`, which takes options of its own.',
    );
  addExamples(group, [
    ['owl supervisor --data /var/lib/owl', 'the same as owl supervisor run --data /var/lib/owl'],
    ['owl supervisor run --help', 'what can be set when it runs'],
    ['owl supervisor status', 'what runs and what waits on this machine'],
  ]);
  refuseOtherWords(group);
  addSupervisorRunCommand(group, terminal);
  addSupervisorControlCommands(group, terminal);
  const list = group
    .command('list')
    .summary('list supervisors and their leases')
    .description('Lists the supervisors that hold or held a lease. Supervisors of old peers hold none.');
  addExamples(list, [
    ['owl supervisor list', 'who is there, who is lost and since when'],
    ['owl supervisor list --json', 'the raw values, for a program'],
  ]);
  list.action(async (_options: unknown, self: Command) => {
    await listSupervisors(terminal, self.optsWithGlobals<GlobalOptions>());
  });
}

/** A word that is no command is a slip, and no argument of the command that is run without one. */
function refuseOtherWords(group: Command): void {
  group.hook('preSubcommand', () => {
    const names = group.commands.map((command) => command.name());
    const [word = ''] = group.args;
    if (word === '' || word.startsWith('-') || names.includes(word)) return;
    refuseUnknown(group, word);
  });
}

async function listSupervisors(terminal: Cli, options: GlobalOptions): Promise<void> {
  const { out, err } = terminal;
  await withTalent(terminal, options, async (talent) => {
    const { supervisors = [] } = await talent.supervisors();
    if (options.json) await out.line(toJson(supervisors));
    else if (supervisors.length === 0) await err.line('no supervisor has attached to this talent yet');
    else await out.write(renderTable(columns(Date.now(), out.width), supervisors, out));
  });
}

function columns(nowMs: number, width: number): Column<SupervisorStatus>[] {
  return [
    { title: 'WORKER', rank: 0, least: 12, value: ({ worker_id = '' }) => worker_id },
    { title: 'STATUS', rank: 0, value: ({ status = '' }) => status },
    { title: 'SINCE', align: 'right', value: (supervisor) => formatAge(statusTime(supervisor), nowMs) },
    { title: 'HOST', rank: 2, least: 10, value: ({ host = '' }) => host },
    { title: 'PID', rank: 3, align: 'right', value: ({ pid }) => String(pid ?? '') },
    {
      title: 'LEASE',
      rank: 4,
      align: 'right',
      value: ({ lease_seconds: s }) => (s === undefined ? '' : `${s}s`),
    },
    remarksColumn(width, 5, 16),
  ];
}

/** Unix seconds at which the status it is in began. */
function statusTime({ attached_time, lost_time, returned_time, detached_time, status }: SupervisorStatus) {
  if (status === 'lost') return lost_time;
  if (status === 'detached') return detached_time;
  return Math.max(attached_time ?? 0, returned_time ?? 0);
}
