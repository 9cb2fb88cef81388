/** `owl workload splitter|executor on|off|status`: parts of the service that an operator can switch off. */

import type { Command } from 'commander';
import { commandId } from '../../../cli/entity-commands.js';
import { printEvents } from '../../../cli/entity-history.js';
import { formatTime, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { sayIfUnknown } from '../../../cli/lost-answers.js';
import type { Cli } from '../../../cli/system.js';
import type { SwitchName } from '../switch-names.js';
import type { Switch } from '../wire/messages.js';
import { HISTORY_WORDS } from './history.js';
import { withWorkload } from './with-workload.js';

interface SwitchOptions extends GlobalOptions {
  readonly reason?: string;
  readonly strict?: boolean;
}

const ABOUT: Readonly<Record<SwitchName, { readonly does: string; readonly off: string }>> = {
  splitter: {
    does: 'make jobs of tasks, or stop to',
    off: 'No more jobs are made of tasks until it is on again; what was made goes on. Answers when the chunk under way has ended.',
  },
  executor: {
    does: 'hand jobs to pilots, or stop to',
    off:
      'No more jobs are queued until it is on again; pilots go on with what they run, and take what is queued already unless ' +
      'it is --strict. Answers when the batch under way has ended.',
  },
};

export function addSwitchCommands(workload: Command, cli: Cli, name: SwitchName): void {
  const { does, off } = ABOUT[name];
  const group = workload
    .command(name)
    .summary(does)
    .description(`Switches the ${name} off and on, for all nodes and over restarts, and says how it stands.`);
  const offCommand = order(group, cli, {
    name,
    enabled: false,
    summary: `switch the ${name} off`,
    about: off,
  });
  if (name === 'executor') offCommand.option('--strict', 'what is queued already is not taken either');
  addExamples(offCommand, [
    [`owl workload ${name} off --reason "storage is being moved"`, 'whatever waits says so'],
  ]);
  const about = `Switches the ${name} on again: it goes on where it was.`;
  const onCommand = order(group, cli, { name, enabled: true, summary: `switch the ${name} on`, about });
  addExamples(onCommand, [[`owl workload ${name} on`, 'where it was']]);
  const status = group
    .command('status')
    .alias('show')
    .summary('say how it stands')
    .description(`Says whether the ${name} is on, and who has switched it last, when and why.`);
  addExamples(status, [[`owl workload ${name} status`, 'on or off, since when, and why']]);
  status.action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, async (client) => {
      const found = await client.switch({ switch: name });
      await cli.out.line(options.json ? toJson(found) : switchLine(found));
    });
  });
  addHistory(group, cli, name);
}

function addHistory(group: Command, cli: Cli, name: SwitchName): void {
  const history = group
    .command('history')
    .summary('show who has switched it, when and why')
    .description(`Shows each time that the ${name} was switched, oldest first; nothing where it never was.`);
  addExamples(history, [
    [`owl workload ${name} history`, 'as a table'],
    [`owl workload ${name} history --json`, 'one JSON object a line, with whole data'],
  ]);
  const nothing = `the ${name} was never switched: it is on`;
  history.action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, (client) =>
      printEvents(cli, options, client.switchHistory({ switch: name }), HISTORY_WORDS.switch, nothing),
    );
  });
}

interface Order {
  readonly name: SwitchName;
  readonly enabled: boolean;
  readonly summary: string;
  readonly about: string;
}

function order(group: Command, cli: Cli, { name, enabled, summary, about }: Order): Command {
  const command = group
    .command(enabled ? 'on' : 'off')
    .summary(summary)
    .description(about)
    .option('--reason <TEXT>', 'why; whatever waits for it says so');
  return command.action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<SwitchOptions>();
    const { reason, strict } = options;
    const given = {
      ...{ switch: name, enabled, ...commandId() },
      ...(reason !== undefined && { reason }),
      ...(strict === true && { strict }),
    };
    await withWorkload(cli, options, async (client) => {
      const answer = await sayIfUnknown(`owl workload ${name} status`, () => client.setSwitch(given));
      await cli.out.line(options.json ? toJson(answer) : switchLine(answer));
    });
  });
}

/** `splitter is off since 2026-11-29 17:00:00, by anna (10.0.0.7): storage is being moved` */
export function switchLine({
  switch: name = '',
  enabled,
  strict,
  reason = '',
  by = '',
  since,
  ending,
}: Switch): string {
  const state = `${name} is ${enabled ? 'on' : 'off'}${strict ? ', strictly' : ''}`;
  const when = since === undefined ? '' : ` since ${formatTime(since)}${by === '' ? '' : `, by ${by}`}`;
  const yet = ending ? ' (what was under way has not ended yet)' : '';
  return `${state}${when}${reason === '' ? '' : `: ${reason}`}${yet}`;
}
