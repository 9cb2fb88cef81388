/**
 * `owl demo`: the main job in half a minute, on a node of its own. Three tasks are ordered; players take the place of
 * plotters and play a recorded log; all else is real: talent, supervisor, log receiver, processes, files, history.
 *
 * Guarantee: however it ends, it leaves no process, and no file unless a directory for them was given.
 */

import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { pino } from 'pino';
import { stringify } from 'yaml';
import { z } from 'zod';
import { messageOf, OwlError } from '../../runtime/errors.js';
import { tryLock } from '../../runtime/sqlite.js';
import type { PlotTaskEventMessage, PlotTaskStatus } from '../../wire/messages.js';
import { PACKAGE_ROOT } from '../../wire/package-root.js';
import { PlotManagerClient } from '../../wire/plot-manager-client.js';
import { ChildService } from '../child-service.js';
import { formatDuration, toJson } from '../format.js';
import type { GlobalOptions } from '../globals.js';
import { addExamples } from '../help.js';
import { historyColumns } from '../history-view.js';
import { ProgressView } from '../progress-view.js';
import { renderTable } from '../table.js';
import type { Terminal } from '../terminal.js';

const TASK_IDS = ['demo-1', 'demo-2', 'demo-3'] as const;
const RECORDED_LOG = join(PACKAGE_ROOT, 'demo', 'madmax-k32.txt');
const PLAY_SECONDS = 8;
const STAGGER_SECONDS = 2;
const OVER: ReadonlySet<string> = new Set(['finished', 'stopped', 'failed']);
const ENDS_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

interface DemoOptions extends GlobalOptions {
  readonly data?: string;
}

export function addDemoCommand(program: Command, terminal: Terminal): void {
  const demo = program
    .command('demo')
    .summary('see it work, in half a minute')
    .description(
      'Starts a node of its own in a temporary directory, orders three plots, follows them until they are finished, shows ' +
        'what happened to one of them, and clears everything away. Players take the place of plotters: they play the log ' +
        'of a real plot. No plot is made and nothing has to be installed.',
    )
    .option('--data <DIR>', 'keep everything in this new directory, to look at it afterwards');
  addExamples(demo, [
    ['owl demo', 'leaves nothing behind'],
    ['owl demo --data ./demo-data', 'and then `owl talent --data ./demo-data/node` to look around in it'],
  ]);
  demo.action(async (_options: unknown, self: Command) => {
    await runDemo(terminal, self.optsWithGlobals<DemoOptions>());
  });
}

async function runDemo(terminal: Terminal, options: DemoOptions): Promise<void> {
  const directory = makeDirectory(terminal, options);
  try {
    await withNode(terminal, directory, async (talent) => {
      try {
        for (const taskId of TASK_IDS) await order(talent, taskId, directory);
        await follow(terminal, options, talent);
        await showHistory(terminal, options, talent);
      } finally {
        await endTasks(talent);
      }
    });
  } finally {
    if (options.data === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

function makeDirectory({ cwd }: Terminal, { data }: DemoOptions): string {
  if (data === undefined) return mkdtempSync(join(tmpdir(), 'owl-demo-'));
  const directory = resolve(cwd, data);
  let names: readonly string[];
  try {
    if (!existsSync(directory)) mkdirSync(directory);
    names = readdirSync(directory);
  } catch (error) {
    throw new OwlError(
      'invalid',
      `${directory} can't be used: ${messageOf(error)}; choose another directory`,
    );
  }
  if (names.length > 0)
    throw new OwlError('refused', `${directory} is not empty; the demo wants a directory of its own`);
  return directory;
}

const Serving = z.object({ address: z.string() });

/** Runs `owl up` with players as plotters; when this comes back, nothing of it is left. */
async function withNode(
  { env, cwd, err }: Terminal,
  directory: string,
  work: (talent: PlotManagerClient) => Promise<void>,
): Promise<void> {
  const data = join(directory, 'node');
  const config = join(directory, 'owl.yaml');
  const logPath = join(directory, 'node.log');
  for (const place of ['cache', 'plots']) mkdirSync(join(directory, place));
  writeFileSync(config, stringify(demoConfig()));
  const log = openSync(logPath, 'a', 0o600);
  const node = new ChildService({
    name: 'the node of the demo',
    args: () => ['up', '--json', '--config', config, '--data', data, '--listen', '127.0.0.1:0'],
    // What is configured here is meant for other nodes.
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('OWL_'))),
    cwd,
    logger: pino({ level: 'silent' }),
    log: { fd: log, path: logPath },
  });
  try {
    const serving = await node.start().catch(async (error: unknown) => {
      // Its log may be gone in a moment.
      await err.write(readFileSync(logPath, 'utf8'));
      throw error;
    });
    const { address } = Serving.parse(JSON.parse(serving));
    const talent = new PlotManagerClient({ server: address });
    try {
      await work(talent);
    } finally {
      talent.close();
    }
  } finally {
    await node.stop();
    await untilFree(join(data, 'keeper.lock'));
    closeSync(log);
  }
}

function demoConfig(): object {
  return {
    supervisor: { plotter: 'player', max_plots: TASK_IDS.length, stagger_seconds: STAGGER_SECONDS },
    plotters: {
      player: {
        argv: [
          ...['{node}', '{player}', '--log', RECORDED_LOG, '--seconds', String(PLAY_SECONDS)],
          ...['-t', '{cache1}', '-2', '{cache2}', '-d', '{dest}', '-i', '{plot_id}'],
        ],
        format: 'madmax',
        temp: ['plot-k{ksize}-*-{plot_id}.*tmp'],
        // It writes next to nothing, so a small disk is no reason to wait.
        fills: [],
      },
    },
  };
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
): Promise<void> {
  const began = Date.now();
  const ended = AbortSignal.any([interrupted, out.closed]);
  const over = new Map<string, PlotTaskStatus>();
  const view = new ProgressView(out);
  try {
    for await (const { task } of talent.watch({ task_ids: [...TASK_IDS] }, ended)) {
      if (task === undefined) continue;
      if (json) await out.line(toJson(task));
      else await view.take(task);
      if (OVER.has(task.status ?? '')) over.set(task.task_id ?? '', task);
      if (over.size === TASK_IDS.length) break;
    }
  } finally {
    await view.end();
  }
  if (ended.aborted) throw new OwlError('unavailable', 'the demo was ended before its tasks were');
  const failed = [...over.values()].find(({ status }) => status !== 'finished');
  if (failed !== undefined)
    throw new OwlError('unavailable', `${failed.task_id} is ${failed.status}: ${failed.remarks ?? ''}`);
  if (!json)
    await out.line(`\n${over.size} tasks finished in ${formatDuration((Date.now() - began) / 1000)}.`);
}

async function showHistory(
  { out }: Terminal,
  { json = false }: DemoOptions,
  talent: PlotManagerClient,
): Promise<void> {
  const [taskId] = TASK_IDS;
  const events: PlotTaskEventMessage[] = [];
  for await (const event of talent.history({ task_id: taskId })) events.push(event);
  if (json) {
    for (const event of events) await out.line(toJson(event));
    return;
  }
  await out.line(`What happened to ${taskId}, as it stands in the event store:\n`);
  await out.write(renderTable(historyColumns(out.width), events, out));
}

/** Plots outlive their node, so what still runs is stopped before the node is. */
async function endTasks(talent: PlotManagerClient): Promise<void> {
  const deadline = Date.now() + ENDS_WITHIN_MS;
  for (const task_id of TASK_IDS) {
    while (Date.now() < deadline) {
      const { existed = false, status = '' } = await talent.status({ task_id });
      if (!existed || OVER.has(status)) break;
      await talent.stop({ task_id, reason: 'the demo was ended' });
      await pause(LOOK_EVERY_MS);
    }
  }
}

/** The last process of a node to go is the keeper of its plots, whose lock this is. */
async function untilFree(lock: string): Promise<void> {
  const deadline = Date.now() + ENDS_WITHIN_MS;
  for (;;) {
    const unlock = tryLock(lock);
    if (unlock !== undefined) return unlock();
    if (Date.now() > deadline) return;
    await pause(LOOK_EVERY_MS);
  }
}
