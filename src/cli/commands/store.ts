/** `owl store`: its group, and `copy`, which moves a history between the embedded store and EventStoreDB. */

import type { Command } from 'commander';
import { systemClock } from '../../base/clock.js';
import type { CopyResult } from '../../runtime/event-store/copy-store.js';
import type { Place } from '../copy-ends.js';
import { UsageError } from '../exit.js';
import { formatDuration, toJson } from '../format.js';
import { configOf, type GlobalOptions } from '../globals.js';
import { addExamples } from '../help.js';
import { ProgressView } from '../progress-view.js';
import { loggerOf } from '../service.js';
import type { Cli } from '../system.js';
import { addEventsCommand } from './store-events.js';
import { addInfoCommand } from './store-info.js';
import { addUpkeepCommands } from './store-upkeep.js';

interface CopyFlags extends GlobalOptions {
  readonly from: string;
  readonly to: string;
  readonly credentialsFile?: string;
}

export function addStoreCommands(program: Command, terminal: Cli): void {
  const group = program
    .command('store')
    .summary('move a history from one store to another')
    .description('What is done with the history of a node: reading it, copies, checks, backups.');

  const copy = group
    .command('copy')
    .summary('copy a history between a data directory and EventStoreDB')
    .description(
      'Copies all events from one store into another that is empty, and verifies the copy. STORE is the data directory ' +
        'of a node, or esdb://HOST:PORT; one of the two is a data directory. Stop the nodes on both first. ' +
        'A copy that was interrupted, or killed, goes on when the same command is given again.',
    )
    .requiredOption('--from <STORE>', 'where the history is; stays as it is')
    .requiredOption('--to <STORE>', 'where it shall be')
    .option('--credentials-file <FILE>', 'its first line is user:password, for EventStoreDB');
  addExamples(copy, [
    [
      "owl store copy --from /var/lib/owl --to 'esdb://localhost:2113?tls=false'",
      'one machine becomes a fleet',
    ],
    ["owl store copy --from 'esdb://localhost:2113?tls=false' --to /var/lib/owl", 'and back'],
  ]);
  copy.action(async (_options: unknown, self: Command) => {
    await copyHistory(terminal, self.optsWithGlobals<CopyFlags>());
  });
  addInfoCommand(group, terminal);
  addEventsCommand(group, terminal);
  addUpkeepCommands(group, terminal);
}

async function copyHistory(terminal: Cli, options: CopyFlags): Promise<void> {
  // Loaded here: most commands need no stores, and the client of EventStoreDB is large.
  const { parsePlace } = await import('../copy-ends.js');
  const from = parsePlace(options.from, '--from', terminal.cwd);
  const to = parsePlace(options.to, '--to', terminal.cwd);
  if (from.kind === to.kind && from.kind === 'eventstoredb') {
    throw new UsageError('--from and --to are both EventStoreDB; one of them must be a data directory');
  }
  const start = performance.now();
  const result = await runCopy(terminal, options, from, to);
  const seconds = (performance.now() - start) / 1000;
  const { events, streams, resumedAt, foreignEvents, digest } = result;
  if (options.json) {
    await terminal.out.line(
      toJson({
        from: from.name,
        to: to.name,
        events,
        streams,
        copied: events - resumedAt,
        resumed_at: resumedAt,
        foreign_events: foreignEvents,
        digest,
        seconds,
      }),
    );
  } else {
    const before = resumedAt === 0 ? '' : ` (${resumedAt} were there already)`;
    await terminal.out.line(
      `${events} events of ${streams} streams${before} copied and verified in ${formatDuration(seconds)}`,
    );
    await terminal.out.line(`digest ${digest}`);
  }
  if (foreignEvents > 0) {
    await terminal.err.line(
      `${foreignEvents} events were left out: the names of their streams are none of owl's`,
    );
  }
}

async function runCopy(terminal: Cli, options: CopyFlags, from: Place, to: Place): Promise<CopyResult> {
  const { err, interrupted } = terminal;
  const { config } = configOf(terminal, options);
  // A log would tear the bar apart; what ends the copy is told in any case.
  const logger = loggerOf(terminal, err.isTerminal ? { log: { ...config.log, level: 'silent' } } : config);
  const { copyStore } = await import('../../runtime/event-store/copy-store.js');
  const { openSource, openTarget } = await import('../copy-ends.js');
  const source = await openSource(from, options.credentialsFile, logger);
  try {
    const target = await openTarget(to, options.credentialsFile, logger);
    const view = new ProgressView(err);
    try {
      const result = await copyStore({
        from: source.store,
        to: target.store,
        clock: systemClock,
        signal: interrupted,
        onProgress: (progress) => view.take(progress),
      });
      await target.keep();
      return result;
    } finally {
      await view.end();
      await target.close();
      if (interrupted.aborted) await err.line('interrupted; the same command goes on from here');
    }
  } finally {
    await source.close();
  }
}
