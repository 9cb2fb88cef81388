/**
 * `owl demo`: the main job in half a minute, on a node of its own. Three tasks are ordered; players take the place of
 * plotters and play a recorded log; all else is real: talent, supervisor, log receiver, processes, files, history.
 *
 * Guarantee: however it ends, it leaves no process, and no file unless a directory for them was given. What it writes to a
 * store that was given stays there.
 */

import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { pino } from 'pino';
import { OwlError } from '../../../base/errors.js';
import { isTransient } from '../../../base/failure-kinds.js';
import { demoDirectory } from '../../../cli/demo-processes.js';
import { UsageError } from '../../../cli/exit.js';
import { formatDuration, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { openReachable } from '../../../cli/reachable-store.js';
import type { Cli } from '../../../cli/system.js';
import { renderTable } from '../../../cli/table.js';
import type { Terminal } from '../../../cli/terminal.js';
import { EMBEDDED } from '../../../node/config/node-section.js';
import {
  redact,
  whyNotInArguments,
} from '../../../runtime/event-store/eventstoredb/connection/connection-string.js';
import type { PlotTaskEventMessage, PlotTaskStatus } from '../wire/messages.js';
import type { PlotManagerClient } from '../wire/plot-manager-client.js';
import { isFinal } from '../wire/plot-states.js';
import { type DemoNodeOptions, withDemoNode } from './demo-node.js';
import { historyColumns } from './history-view.js';
import { ProgressView } from './progress-view.js';

const TASKS = 3;
const ENDS_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

interface DemoOptions extends GlobalOptions {
  readonly data?: string;
  readonly store?: string;
  readonly storeCredentialsFile?: string;
}

export function addDemoCommand(program: Command, terminal: Cli): void {
  const demo = program
    .command('demo')
    .summary('see it work, in half a minute')
    .description(
      'Starts a node of its own in a temporary directory, orders three plots, follows them until they are finished, shows ' +
        'what happened to one of them, and clears everything away. Players take the place of plotters: they play the log ' +
        'of a real plot. No plot is made and nothing has to be installed. On EventStoreDB (--store) each demo orders tasks ' +
        'with ids of its own, and their histories stay there.',
    )
    .option('--data <DIR>', 'keep everything in this new directory, to look at it afterwards')
    .option('--store <STORE>', 'keep the history on EventStoreDB, as esdb://HOST:PORT (default: embedded)')
    .option('--store-credentials-file <FILE>', 'its first line is user:password, for EventStoreDB');
  addExamples(demo, [
    ['owl demo', 'leaves nothing behind'],
    ['owl demo --data ./demo-data', 'and then `owl talent --data ./demo-data/node` to look around in it'],
    ["owl demo --store 'esdb://localhost:2113?tls=false'", 'the same on EventStoreDB'],
  ]);
  demo.action(async (_options: unknown, self: Command) => {
    await runDemo(terminal, self.optsWithGlobals<DemoOptions>());
  });
}

async function runDemo(terminal: Cli, options: DemoOptions): Promise<void> {
  const store = storeOf(terminal, options);
  const isShared = store.store !== undefined;
  if (isShared) await assertReachable(store);
  const directory = demoDirectory(terminal, options.data, 'owl-demo-');
  const taskIds = makeTaskIds(isShared);
  const [first = ''] = taskIds;
  try {
    await withDemoNode(terminal, { directory, maxPlots: TASKS, store }, async (talent) => {
      try {
        if (isShared) await untilRead(terminal, talent);
        for (const taskId of taskIds) await order(talent, taskId, directory);
        await follow(terminal, options, talent, taskIds);
        await showHistory(terminal, options, talent, first);
      } finally {
        await endTasks(talent, taskIds);
      }
    });
  } finally {
    if (options.data === undefined) rmSync(directory, { recursive: true, force: true });
  }
  if (isShared && !options.json)
    await terminal.out.line(`\nThe histories of ${taskIds.join(', ')} stay in that store.`);
}

type StoreSettings = DemoNodeOptions['store'];

/** Nothing for the embedded store. */
function storeOf({ cwd }: Terminal, { store, storeCredentialsFile: file }: DemoOptions): StoreSettings {
  if (store === undefined || store === EMBEDDED) {
    if (file === undefined) return {};
    throw new UsageError('--store-credentials-file is for EventStoreDB: say with --store where that is');
  }
  // Not repeated in the message: it may hold a password.
  if (!/^esdb(\+discover)?:/.test(store))
    throw new UsageError('--store must be esdb://HOST:PORT or esdb+discover://HOST:PORT (see docs/fleet.md)');
  const rule = whyNotInArguments(store, '--store-credentials-file');
  if (rule !== undefined) throw new UsageError(`--store ${rule}`);
  return { store, ...(file === undefined ? {} : { store_credentials_file: resolve(cwd, file) }) };
}

/**
 * A node would start, and wait for its store; a demo is no good without one.
 * @throws OwlError that says what is wrong with the settings, or that the store is not there
 */
async function assertReachable({ store = '', store_credentials_file: file }: StoreSettings): Promise<void> {
  const opened = await openReachable({
    connectionString: store,
    credentialsFile: file,
    name: redact(store),
    logger: pino({ level: 'silent' }),
  });
  await opened.close();
}

/** A store that outlives the demo may hold the tasks of another one. */
function makeTaskIds(isShared: boolean): readonly string[] {
  const name = isShared ? `demo-${randomUUID().slice(0, 8)}` : 'demo';
  return Array.from({ length: TASKS }, (_, index) => `${name}-${index + 1}`);
}

/** Until a node has read what its store holds it answers no query. */
async function untilRead({ err, interrupted }: Terminal, talent: PlotManagerClient): Promise<void> {
  for (let told = false; !interrupted.aborted; told = true) {
    try {
      await talent.supervisors();
      return;
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
    if (!told) await err.line('The node reads first what the store holds already.');
    await pause(LOOK_EVERY_MS);
  }
}

async function order(talent: PlotManagerClient, taskId: string, directory: string): Promise<void> {
  const { is_success = false, msg = '' } = await talent.create({
    task_id: taskId,
    plot_config: {
      ksize: 32,
      threads: 8,
      buffer: 4096,
      cache1: join(directory, 'cache'),
      dest: { type: 'local', path: join(directory, 'plots') },
    },
  });
  if (!is_success) throw new OwlError('refused', msg);
}

/** Until all of them are over. @throws OwlError when one of them did not finish */
async function follow(
  { out, interrupted }: Terminal,
  { json = false }: DemoOptions,
  talent: PlotManagerClient,
  taskIds: readonly string[],
): Promise<void> {
  const began = performance.now();
  const ended = AbortSignal.any([interrupted, out.closed]);
  const over = new Map<string, PlotTaskStatus>();
  const view = new ProgressView(out);
  try {
    for await (const { task } of talent.watch({ task_ids: [...taskIds] }, ended)) {
      if (task === undefined) continue;
      if (json) await out.line(toJson(task));
      else await view.take(task);
      if (isFinal(task.status ?? '')) over.set(task.task_id ?? '', task);
      if (over.size === taskIds.length) break;
    }
  } finally {
    await view.end();
  }
  if (ended.aborted) throw new OwlError('unavailable', 'the demo was ended before its tasks were');
  const failed = [...over.values()].find(({ status }) => status !== 'finished');
  if (failed !== undefined)
    throw new OwlError('unavailable', `${failed.task_id} is ${failed.status}: ${failed.remarks ?? ''}`);
  if (!json)
    await out.line(`\n${over.size} tasks finished in ${formatDuration((performance.now() - began) / 1000)}.`);
}

async function showHistory(
  { out }: Terminal,
  { json = false }: DemoOptions,
  talent: PlotManagerClient,
  taskId: string,
): Promise<void> {
  const events: PlotTaskEventMessage[] = [];
  for await (const event of talent.history({ task_id: taskId })) events.push(event);
  if (json) {
    for (const event of events) await out.line(toJson(event));
    return;
  }
  await out.line(`What happened to ${taskId}, as it stands in the event store:\n`);
  await out.write(renderTable(historyColumns(out.width), events, out));
}

/**
 * Plots outlive their node, so what still runs is stopped before the node is. While the store is away nothing can be
 * stopped; then they have played to their end by the time this gives up.
 */
async function endTasks(talent: PlotManagerClient, taskIds: readonly string[]): Promise<void> {
  const deadline = performance.now() + ENDS_WITHIN_MS;
  for (const taskId of taskIds) {
    while (performance.now() < deadline && !(await isOver(talent, taskId))) await pause(LOOK_EVERY_MS);
  }
}

/** Asks for its end if it is not. */
async function isOver(talent: PlotManagerClient, taskId: string): Promise<boolean> {
  try {
    const { existed = false, status = '' } = await talent.status({ task_id: taskId });
    if (!existed || isFinal(status)) return true;
    await talent.stop({ task_id: taskId, reason: 'the demo was ended' });
  } catch (error) {
    if (!isTransient(error)) throw error;
  }
  return false;
}
