/** `owl supervisor status | drain | undrain | suspend | resume`: how the supervisor of this machine is, and what it is asked. */

import type { Command } from 'commander';
import { OwlError } from '../../../base/errors.js';
import { formatAge, formatPercent, formatSize, toJson } from '../../../cli/format.js';
import { configOf, type GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import { type Column, renderPairs, renderTable, type TableLayout } from '../../../cli/table.js';
import { TalentDirectory } from '../machine/talent-directory.js';
import { askSupervisor, type PlotStatus, type SupervisorState } from '../supervisor/control.js';

interface ControlOptions extends GlobalOptions {
  readonly data?: string;
}

export function addSupervisorControlCommands(group: Command, terminal: Cli): void {
  const add = (name: string, summary: string, description: string): Command =>
    group
      .command(name)
      .summary(summary)
      .description(description)
      .option('--data <DIR>', 'the data directory of the supervisor (env: OWL_DATA; default: ./data)');

  const status = add(
    'status',
    'show how the supervisor of this machine is',
    'Shows what runs on this machine and what it takes, what waits and why, and whether the talent can be reached.',
  );
  addExamples(status, [['owl supervisor status', 'what runs and what waits']]);
  status.action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<ControlOptions>();
    await show(terminal, options, await askSupervisor(machineOf(terminal, options), { method: 'status' }));
  });

  const drain = add(
    'drain',
    'finish what runs, start nothing',
    'Lets the supervisor of this machine finish what runs and start nothing more, over restarts too, until `undrain`.',
  );
  addExamples(drain, [['owl supervisor drain', 'before maintenance']]);
  const undrain = add('undrain', 'start plots again', 'Takes a `drain` back.');
  addExamples(undrain, [['owl supervisor undrain', 'after it']]);
  for (const [command, method] of [
    [drain, 'drain'],
    [undrain, 'undrain'],
  ] as const) {
    command.action(async (_options: unknown, self: Command) => {
      const options = self.optsWithGlobals<ControlOptions>();
      await show(terminal, options, await askSupervisor(machineOf(terminal, options), { method }));
    });
  }

  const suspend = add('suspend', 'halt the plotter of a task', 'Halts a plotter where it is (SIGSTOP).');
  addExamples(suspend, [['owl supervisor suspend task_3f2a', 'frees CPU and disk, not memory and space']]);
  const resume = add('resume', 'let it go on', 'Lets a suspended plotter go on (SIGCONT).');
  addExamples(resume, [['owl supervisor resume task_3f2a', 'from where it was halted']]);
  for (const [command, method] of [
    [suspend, 'suspend'],
    [resume, 'resume'],
  ] as const) {
    command.argument('<ID>', 'the task, by its id or a beginning that no other running one has');
    command.action(async (beginning: string, _options: unknown, self: Command) => {
      const options = self.optsWithGlobals<ControlOptions>();
      const machine = machineOf(terminal, options);
      const { plots } = await askSupervisor(machine, { method: 'status' });
      const taskId = taskOf(plots, beginning);
      await show(terminal, options, await askSupervisor(machine, { method, taskId }));
    });
  }
}

function machineOf(terminal: Cli, options: ControlOptions): TalentDirectory {
  return new TalentDirectory(configOf(terminal, options, { data: options.data }).config.data);
}

function taskOf(plots: readonly PlotStatus[], beginning: string): string {
  const ids = [...new Set(plots.map(({ task_id }) => task_id))].filter((id) => id.startsWith(beginning));
  const [first] = ids;
  if (first === undefined)
    throw new OwlError('not_found', `no plot of a task ${beginning} runs on this machine`);
  if (ids.length > 1 && !ids.includes(beginning))
    throw new OwlError('invalid', `${beginning} may be ${ids.join(' or ')}; say more of it`);
  return ids.includes(beginning) ? beginning : first;
}

async function show(terminal: Cli, options: ControlOptions, state: SupervisorState): Promise<void> {
  const { out } = terminal;
  if (options.json) await out.line(toJson(state));
  else await out.write(supervisorCard(state, Date.now(), out));
}

function supervisorCard(state: SupervisorState, nowMs: number, layout: TableLayout): string {
  const pairs = renderPairs(
    [
      ['supervisor', `process ${state.pid}${state.draining ? ', draining' : ''}`],
      ['talent', state.attached ? state.server : `${state.server} is away: ${state.away_reason ?? ''}`],
      ['worker', state.worker_id ?? ''],
      ['plotter', state.plotter],
      ['log receiver', state.log_pid === null ? 'none at the moment' : `process ${state.log_pid}`],
      // One of another version says nothing of it.
      ...(state.no_cgroups_reason
        ? [['cgroups', `none for plots: ${state.no_cgroups_reason}`] as const]
        : []),
    ],
    layout.width,
  );
  const plots = state.plots.length === 0 ? '' : `\n${renderTable(plotColumns(nowMs), state.plots, layout)}`;
  const waiting =
    state.waiting.length === 0 ? '' : `\n${renderTable(WAITING_COLUMNS, state.waiting, layout)}`;
  return pairs + plots + waiting;
}

function plotColumns(nowMs: number): Column<PlotStatus>[] {
  return [
    { title: 'TASK', rank: 0, value: ({ task_id }) => task_id },
    { title: 'STATE', rank: 0, value: ({ state }) => state },
    { title: 'PID', rank: 1, align: 'right', value: ({ pid }) => String(pid) },
    { title: 'AGE', rank: 2, align: 'right', value: ({ started_time }) => formatAge(started_time, nowMs) },
    {
      title: 'CPU',
      rank: 1,
      align: 'right',
      value: ({ cpu }) => (cpu === null ? '' : formatPercent(cpu)),
    },
    {
      title: 'MEMORY',
      rank: 1,
      align: 'right',
      value: ({ memory }) => (memory === null ? '' : formatSize(memory)),
    },
  ];
}

const WAITING_COLUMNS: readonly Column<SupervisorState['waiting'][number]>[] = [
  { title: 'WAITING', rank: 0, value: ({ task_id }) => task_id },
  { title: 'WHY', rank: 0, least: 24, overflow: 'wrap', value: ({ reason }) => reason },
];
