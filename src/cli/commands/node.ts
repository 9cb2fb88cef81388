/** `owl node run | status | redrive | rebuild`: runs a node, tells how it is inside, and what an operator can have mended there. */

import type { Command } from 'commander';
import { OwlError } from '../../base/errors.js';
import { formatDuration, toJson } from '../format.js';
import { configOf, type GlobalOptions, withNode } from '../globals.js';
import { addExamples, examplesOf } from '../help.js';
import { systemsOf } from '../machine-states.js';
import { nodeCard } from '../node-views.js';
import { runNode } from '../run-node.js';
import { addSettings } from '../setting-options.js';
import type { Cli } from '../system.js';

interface RedriveOptions extends GlobalOptions {
  readonly stream?: string;
}

export function addNodeCommands(program: Command, terminal: Cli): void {
  const group = program
    .command('node')
    .summary('look inside a node, and mend its read models')
    .description(
      'Looks inside a node: how far its read models are, what could not be applied to them and why. ' +
        'What is shown can be mended here without a restart.',
    );

  const status = group
    .command('status')
    .summary('show how far everything is and what is parked')
    .description(
      'Shows how much of what is stored each reader (read model or reactor) has read, how long it has been behind, ' +
        'the timers, and the events that could not be applied, with their errors. Such an event is parked, and so are ' +
        'those of its stream behind it.',
    );
  addExamples(status, [
    ['owl node status', 'progress, lag, timers and parked events'],
    ["owl node status --json | jq '.readers[] | select(.parked)'", 'what has parked events, for a program'],
  ]);
  status.action(async (_options: unknown, self: Command) => {
    await showStatus(terminal, self.optsWithGlobals<GlobalOptions>());
  });

  addRunCommand(group, terminal);
  const redrive = group
    .command('redrive')
    .summary('apply parked events again')
    .description(
      'Applies parked events again, in order, once what kept them from being applied is mended. ' +
        'Ends with exit code 1 when events stay parked.',
    )
    .argument('<READER>', 'whose, as `owl node status` names it')
    .option('--stream <STREAM>', 'only those of this stream');
  addExamples(redrive, examplesOf(terminal, 'node redrive'));
  redrive.action(async (reader: string, _options: unknown, self: Command) => {
    await redriveReader(terminal, self.optsWithGlobals<RedriveOptions>(), reader);
  });

  const rebuild = group
    .command('rebuild')
    .summary('fill a read model anew')
    .description(
      'Fills a read model anew from all events, beside the one that serves, swaps it in and then ends. ' +
        'Interrupting the command does not end the rebuild; giving it again waits for the one under way. ' +
        '`owl node status` says how far it is.',
    )
    .argument('<PROJECTION>', 'the read model, as `owl node status` names it');
  addExamples(rebuild, examplesOf(terminal, 'node rebuild'));
  rebuild.action(async (projection: string, _options: unknown, self: Command) => {
    await rebuildProjection(terminal, self.optsWithGlobals<GlobalOptions>(), projection);
  });
}

function addRunCommand(group: Command, cli: Cli): void {
  const run = group
    .command('run')
    .summary('run the services of a node, and nothing else')
    .description(
      'Runs the services of the systems that the configuration names, in this process; `owl up` keeps one running, and ' +
        'what the systems run on machines besides. The first SIGINT or SIGTERM stops it in order, a second one at once. Its ' +
        'log goes to stderr.',
    );
  const flagsOf = addSettings(run, cli.settings.nodeKeys);
  addExamples(run, examplesOf(cli, 'node run'));
  run.action(async (given: Readonly<Record<string, string | undefined>>, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    const config = configOf(cli, options, flagsOf(given));
    await runNode(cli, options, { name: 'owl node', systems: systemsOf(cli, config), config });
  });
}

async function showStatus(terminal: Cli, options: GlobalOptions): Promise<void> {
  const { out } = terminal;
  await withNode(terminal, options, async (node) => {
    const status = await node.status();
    if (options.json) await out.line(toJson(status));
    else await out.write(nodeCard(status, out));
  });
}

async function redriveReader(terminal: Cli, options: RedriveOptions, reader: string): Promise<void> {
  const { stream } = options;
  await withNode(terminal, options, async (node) => {
    const answer = await node.redrive({ reader, ...(stream !== undefined && { stream }) });
    const { applied = 0, still_parked = 0 } = answer;
    await terminal.out.line(
      options.json
        ? toJson({ reader, applied, still_parked })
        : `${reader}: ${applied} applied, ${still_parked} still parked`,
    );
    // The count is that of the reader: of one stream all may be applied while others stay parked.
    const isDone = still_parked === 0 || (stream !== undefined && applied > 0);
    if (!isDone) throw new OwlError('refused', 'events stay parked; `owl node status` tells why');
  });
}

async function rebuildProjection(terminal: Cli, options: GlobalOptions, projection: string): Promise<void> {
  await withNode(terminal, options, async (node) => {
    const start = performance.now();
    await node.rebuild({ projection });
    const seconds = (performance.now() - start) / 1000;
    await terminal.out.line(
      options.json
        ? toJson({ projection, seconds })
        : `${projection} was rebuilt in ${formatDuration(seconds)}`,
    );
  });
}
