/** `owl store check | backup | compact`: what keeps a store sound, while nodes work on it. */

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import type { CheckResult, StoreProblem } from '../../runtime/event-store/check-store.js';
import type { Place } from '../copy-ends.js';
import { UsageError } from '../exit.js';
import { formatDuration, formatSize, toJson } from '../format.js';
import { configOf, type GlobalOptions } from '../globals.js';
import { addExamples } from '../help.js';
import { ProgressView } from '../progress-view.js';
import { loggerOf } from '../service.js';
import type { Cli } from '../system.js';

export interface StoreFlags extends GlobalOptions {
  readonly from?: string;
  readonly credentialsFile?: string;
}

/** So many problems are shown; all are counted. */
const MOST_SHOWN = 1_000;
export const FROM = ['--from <STORE>', 'the store (default: as configured)'] as const;

export function addUpkeepCommands(group: Command, cli: Cli): void {
  const check = group
    .command('check')
    .summary('read everything in a store and say what is wrong')
    .description(
      'Reads every event of a store, by position and by stream, compares each with its checksum, and names what is wrong by ' +
        'stream and revision. STORE is a data directory or esdb://HOST:PORT; its node may run. Nothing is changed. Ends ' +
        'with exit code 1 when something is wrong.',
    )
    .option(...FROM)
    .option('--credentials-file <FILE>', 'its first line is user:password, for EventStoreDB');
  addExamples(check, [
    ['owl store check --from /var/lib/owl', 'the history in a data directory'],
    ["owl store check --json | jq '.problems[].stream'", 'which streams are damaged, for a program'],
  ]);
  check.action(async (_options: unknown, self: Command) => {
    await checkHistory(cli, self.optsWithGlobals<StoreFlags>());
  });

  const backup = group
    .command('backup')
    .summary('copy the database of a data directory while its node runs')
    .description(
      'Copies the database of a data directory, as it is at one moment, into a new file; its node may run. ' +
        'EventStoreDB has tools of its own for it.',
    )
    .argument('<FILE>', 'the copy; a file that is there already is left alone')
    .option(...FROM);
  addExamples(backup, [
    ['owl store backup --from /var/lib/owl /backup/owl.db', 'events and read models, in one file'],
  ]);
  backup.action(async (file: string, _options: unknown, self: Command) => {
    await backUpStore(cli, self.optsWithGlobals<StoreFlags>(), file);
  });

  const compact = group
    .command('compact')
    .summary("rewrite events of older versions in today's format")
    .description(
      "Rewrites what older versions of owl have stored in a data directory in today's format, which is small and has " +
        'checksums. Its node may run. Interrupted, or killed, it goes on when the same command is given again.',
    )
    .option(...FROM);
  addExamples(compact, [['owl store compact --from /var/lib/owl', 'once, after an upgrade']]);
  compact.action(async (_options: unknown, self: Command) => {
    await compactStore(cli, self.optsWithGlobals<StoreFlags>());
  });
}

async function checkHistory(cli: Cli, options: StoreFlags): Promise<void> {
  const { place, credentialsFile, logger } = await placeOf(cli, options);
  const { checkStore } = await import('../../runtime/event-store/check-store.js');
  const { openChecked } = await import('../checked-store.js');
  const start = performance.now();
  const store = await openChecked(place, credentialsFile, logger);
  const found: StoreProblem[] = [];
  let result: CheckResult;
  try {
    result = await withProgress(cli, (view) =>
      checkStore({
        store,
        signal: cli.interrupted,
        onProgress: (progress) => view.take(progress),
        onProblem: async (problem) => {
          if (found.length < MOST_SHOWN) found.push(problem);
        },
      }),
    );
  } finally {
    await store.close();
  }
  const { unchecked } = store;
  const seconds = (performance.now() - start) / 1000;
  await tellChecked(cli, options, place, { ...result, unchecked, seconds, found });
  if (result.problems > 0) {
    throw new OwlError(
      'refused',
      `${count(result.problems, 'problem')} found in ${place.name}; restore a backup, or go on under other ids where a stream is damaged`,
    );
  }
}

interface Checked extends CheckResult {
  readonly unchecked: number;
  readonly seconds: number;
  readonly found: readonly StoreProblem[];
}

async function tellChecked(cli: Cli, { json }: StoreFlags, place: Place, checked: Checked): Promise<void> {
  const { events, streams, foreignEvents, problems, unchecked, seconds, found } = checked;
  if (json) {
    await cli.out.line(
      toJson({
        from: place.name,
        events,
        streams,
        foreign_events: foreignEvents,
        without_checksum: unchecked,
        problem_count: problems,
        problems: found,
        seconds,
      }),
    );
    return;
  }
  for (const { stream, revision, position, problem } of found) {
    const where = [
      stream,
      revision !== undefined && `revision ${revision}`,
      position !== undefined && `position ${position}`,
    ].filter((part) => typeof part === 'string');
    await cli.out.line(where.length === 0 ? problem : `${where.join(', ')}\n  ${problem}`);
  }
  if (problems > found.length) await cli.out.line(`… and ${problems - found.length} more`);
  await cli.out.line(
    `${count(events, 'event')} of ${count(streams, 'stream')} read in ${formatDuration(seconds)}: ` +
      (problems === 0 ? 'nothing is wrong' : count(problems, 'problem')),
  );
  if (unchecked > 0) {
    await cli.err.line(
      `${count(unchecked, 'event')} of an older version have no checksum;\n\`owl store compact\` gives them one`,
    );
  }
}

async function backUpStore(cli: Cli, options: StoreFlags, file: string): Promise<void> {
  const { place } = await placeOf(cli, options);
  const directory = directoryOf(place, 'backed up with its own tools, see docs/fleet.md');
  if (file === '' || file.includes('\0')) throw new UsageError('FILE must be a path');
  const target = resolve(cli.cwd, file);
  const { backUp } = await import('../../runtime/event-store/sqlite/backup.js');
  const { openDatabaseIn } = await import('../store-place.js');
  const start = performance.now();
  const db = openDatabaseIn(directory);
  try {
    const { events, bytes } = await withProgress(cli, (view) =>
      backUp(db, target, {
        signal: cli.interrupted,
        onProgress: ({ done, total }) => view.take({ step: 'copying', events: done, total, unit: 'pages' }),
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    await cli.out.line(
      options.json
        ? toJson({ from: place.name, file: target, events, bytes, seconds })
        : `${count(events, 'event')} and their read models copied in ${formatDuration(seconds)}: ${target}, ${formatSize(bytes)}`,
    );
  } finally {
    db.close();
  }
}

async function compactStore(cli: Cli, options: StoreFlags): Promise<void> {
  const { place } = await placeOf(cli, options);
  const directory = directoryOf(place, 'compacted by nobody: it has no rows');
  const { compact } = await import('../../runtime/event-store/sqlite/compaction.js');
  const { openDatabaseIn } = await import('../store-place.js');
  const start = performance.now();
  const db = openDatabaseIn(directory);
  try {
    const { rewritten, left, freeBytes } = await withProgress(cli, (view) =>
      compact(db, {
        clock: systemClock,
        signal: cli.interrupted,
        onProgress: (progress) => view.take({ step: 'rewriting', ...progress }),
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    await cli.out.line(
      options.json
        ? toJson({ from: place.name, rewritten, left, free_bytes: freeBytes, seconds })
        : `${count(rewritten, 'event')} rewritten in ${formatDuration(seconds)}; ${formatSize(freeBytes)} of the file are free for what comes`,
    );
    if (left > 0) {
      throw new OwlError(
        'refused',
        `${count(left, 'event')} can't be read and stay as they are; \`owl store check\` names them`,
      );
    }
  } finally {
    db.close();
    if (cli.interrupted.aborted) await cli.err.line('interrupted; the same command goes on from here');
  }
}

export async function placeOf(cli: Cli, options: StoreFlags) {
  // Loaded here: most commands need no stores, and the client of EventStoreDB is large.
  const { storePlace } = await import('../store-place.js');
  const { config } = configOf(cli, options);
  const place = storePlace(options.from, config, cli.cwd);
  // A log would tear the bar apart; what ends the command is told in any case.
  const logger = loggerOf(cli, cli.err.isTerminal ? { log: { ...config.log, level: 'silent' } } : config);
  const configured = options.from === undefined ? config.store_credentials_file : undefined;
  return { place, credentialsFile: options.credentialsFile ?? configured, logger };
}

/** @throws UsageError for EventStoreDB */
function directoryOf(place: Place, why: string): string {
  if (place.kind === 'directory') return place.path;
  throw new UsageError(`${place.name} is EventStoreDB, which is ${why}; --from must be a data directory`);
}

export async function withProgress<T>(cli: Cli, work: (view: ProgressView) => Promise<T>): Promise<T> {
  const view = new ProgressView(cli.err);
  try {
    return await work(view);
  } finally {
    await view.end();
  }
}

export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
