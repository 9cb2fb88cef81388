/**
 * `owl workload demo`: datasets, tasks, jobs and pilots in a minute, on a node of its own. Texts are counted word by word on a cpu
 * pilot, and the counts are added up on a gpu pilot, group by group, while they still come; in the middle the cpu pilot is killed.
 *
 * Guarantees: all of it is real: node, pilots, programs, files, check sums, history; however it ends, it leaves no process, and no
 * file unless a directory for them was given; it ends well only if `wc` counts the same.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { OwlError } from '../../../base/errors.js';
import { demoDirectory } from '../../../cli/demo-processes.js';
import { formatDuration, toJson } from '../../../cli/format.js';
import { configOf, type GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import { renderTable } from '../../../cli/table.js';
import { ChangeLines, LiveTable, type WatchView } from '../../../cli/watch-view.js';
import { workloadSection } from '../config.js';
import type { BrokerPlace } from '../wire/amqp/broker-address.js';
import type { Job, Task } from '../wire/messages.js';
import type { WorkloadClient } from '../wire/workload-client.js';
import { brokerPlaceOf } from './broker-place.js';
import { type DemoNode, PILOTS, withDemoNode } from './demo-node.js';
import { writeTexts } from './demo-texts.js';
import { printHistory } from './history.js';
import { taskCard, taskWords } from './task-view.js';
import { OVER } from './view-parts.js';

const TEXTS = 24;
const GROUP = 8;
/** Jobs that are finished before the pilot is killed. */
const BEFORE_KILL = 6;
/** How long the program takes at least, so that there is something to see. */
const SECONDS = 0.4;
const WORDS_SHOWN = 12;
/** Elsewhere than on a terminal. */
const LINE_EVERY_JOBS = 4;
const ENDS_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 100;

interface DemoOptions extends GlobalOptions {
  readonly data?: string;
  readonly broker?: string;
}

export function addDemoCommand(workload: Command, cli: Cli): void {
  const demo = workload
    .command('demo')
    .summary('see it work, in a minute')
    .description(
      `Starts a node and two pilots of its own in a temporary directory, cuts ${TEXTS} texts from owl's docs, has their words ` +
        'counted by one pilot and the counts added up by the other, kills one of them in the middle, shows the result and ' +
        'what happened to one job, compares with `wc`, and clears everything away.',
    )
    .option(
      '--broker <URL>',
      'over this RabbitMQ, in a virtual host that nobody else uses: amqp://[USER@]HOST[:PORT][/VHOST], with the ' +
        'password in workload.broker_password_file; owl declares its queues there, and takes them away',
    )
    .option('--data <DIR>', 'keep everything in this new directory, to look at it afterwards');
  addExamples(demo, [
    ['owl workload demo', 'leaves nothing behind'],
    ['owl workload demo --broker amqp://owl@rabbit/demo', 'the same over RabbitMQ'],
    [
      'owl workload demo --data ./demo',
      'then `owl node run --config demo/owl.yaml --data demo/node` to look around',
    ],
  ]);
  demo.action(async (_options: unknown, self: Command) => {
    await runDemo(cli, self.optsWithGlobals<DemoOptions>());
  });
}

async function runDemo(cli: Cli, options: DemoOptions): Promise<void> {
  const broker = brokerOf(cli, options);
  if (broker === undefined) return await playDemo(cli, options);
  const { withDemoBroker } = await import('./demo-broker.js');
  await withDemoBroker(broker, Object.values(PILOTS), () => playDemo(cli, options, broker));
}

/** Only where it was asked for: one that is configured here is meant for work. */
function brokerOf(cli: Cli, options: DemoOptions): BrokerPlace | undefined {
  if (options.broker === undefined) return undefined;
  const { workload } = configOf(cli, options, { 'workload.broker': options.broker }).of(workloadSection);
  return brokerPlaceOf(workload);
}

async function playDemo(cli: Cli, options: DemoOptions, broker?: BrokerPlace): Promise<void> {
  const directory = demoDirectory(cli, options.data, 'owl-workload-');
  const texts = join(directory, 'texts');
  try {
    mkdirSync(texts);
    writeTexts(texts, TEXTS);
    await withDemoNode(cli, directory, broker, async (demo) => {
      const tell = async (line: string) => {
        if (options.json !== true) await cli.out.line(line);
      };
      await tell(
        `${TEXTS} texts lie in ${texts}. A node answers at ${demo.address}, with a cpu and a gpu pilot${
          broker === undefined ? '' : ` that it speaks with over ${broker.url}`
        }.`,
      );
      const [count, sum] = await submit(demo.client, directory, tell);
      try {
        const began = performance.now();
        const victim = await followAndKill(cli, options, demo, [count, sum]);
        await tell(`\n2 tasks finished in ${formatDuration((performance.now() - began) / 1000)}.\n`);
        await show(cli, options, demo.client, { sum, victim, texts });
      } finally {
        await endTasks(demo.client, [sum, count]);
      }
    });
  } finally {
    if (options.data === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

type Tell = (line: string) => Promise<void>;

/** The tasks are there before their input is. */
async function submit(client: WorkloadClient, directory: string, tell: Tell): Promise<[Task, Task]> {
  const place = (name: string) => pathToFileURL(join(directory, name)).href;
  for (const name of ['counts', 'sums']) mkdirSync(join(directory, name));
  const { datasets: [texts = {}] = [] } = await client.register({
    datasets: [{ name: 'texts', storage_url: place('texts'), expected_files: TEXTS }],
  });
  const { uid = '' } = texts;
  const common = { executable: 'words', args: `--seconds ${SECONDS}` };
  const count = await client.submit({
    ...{ ...common, name: 'count', mode: 'map', device_type: 'cpu' },
    ...{ data_in_uid: uid, data_out_url: place('counts') },
  });
  const sum = await client.submit({
    ...{ ...common, name: 'sum', mode: 'merge', device_type: 'gpu', files_per_job: GROUP, until_one: true },
    ...{ data_in_uid: count.data_out_uid ?? '', data_out_url: place('sums') },
  });
  await tell(
    `Task ${count.task_id} counts the words of each text on the cpu pilot. Task ${sum.task_id} adds the counts up`,
  );
  await tell(`on the gpu pilot, ${GROUP} files at a time, until one is left. Then the texts are registered:`);
  const { added = 0 } = await client.scan({ uid });
  await tell(`${added} files with their sizes and check sums.\n`);
  return [count, sum];
}

/** Until both are over. Answers a job that the killed pilot had. @throws OwlError when one of them did not finish */
async function followAndKill(
  cli: Cli,
  options: DemoOptions,
  { client, cpu }: DemoNode,
  [count, sum]: readonly [Task, Task],
): Promise<Job> {
  const tasks = new Map([count, sum].map((task) => [task.uid ?? '', task]));
  const ended = AbortSignal.any([cli.interrupted, cli.out.closed]);
  let victim: Job | undefined;
  let view = viewOf(cli, options);
  try {
    for await (const task of client.watch({}, ended)) {
      if (!tasks.has(task.uid ?? '')) continue;
      tasks.set(task.uid ?? '', task);
      await view.take(task);
      const { jobs_finished: done = 0 } = tasks.get(count.uid ?? '') ?? {};
      if (victim === undefined && done >= BEFORE_KILL) {
        const running = await runningOf(client, count);
        [victim] = running;
        if (victim !== undefined) {
          await view.end();
          const killed = cpu.kill();
          const jobs = running.map(({ job_id }) => job_id).join(' and ');
          if (!options.json)
            await cli.out.line(
              `\nThe cpu pilot (process ${killed}) is killed with SIGKILL while it runs job ${jobs}.\n`,
            );
          view = viewOf(cli, options);
        }
      }
      if ([...tasks.values()].every(({ state = '' }) => OVER.has(state))) break;
    }
  } finally {
    await view.end();
  }
  if (ended.aborted) throw new OwlError('unavailable', 'the demo was ended before its tasks were');
  const failed = [...tasks.values()].find(({ state }) => state !== 'finished');
  if (failed !== undefined)
    throw new OwlError('unavailable', `task ${failed.name} is ${failed.state}: ${failed.remarks ?? ''}`);
  if (victim === undefined)
    throw new OwlError('unavailable', 'the jobs were over before the pilot was killed');
  return victim;
}

async function runningOf(client: WorkloadClient, { uid = '' }: Task): Promise<Job[]> {
  for await (const jobs of client.jobs({ task: uid, state: ['running'] })) return jobs;
  return [];
}

function viewOf({ out }: Cli, { json = false }: DemoOptions): WatchView<Task> {
  const words = taskWords(json, () => true);
  if (!json && !out.isTerminal)
    return new ChangeLines(out, {
      ...words,
      // A line for each few jobs is enough.
      essenceOf: ({ state = '', jobs_finished = 0 }) =>
        `${state} ${Math.floor(jobs_finished / LINE_EVERY_JOBS)}`,
    });
  return json || !out.isTerminal ? new ChangeLines(out, words) : new LiveTable(out, words);
}

interface Shown {
  readonly sum: Task;
  readonly victim: Job;
  /** Directory. */
  readonly texts: string;
}

/** The result, the task, what happened to a job, and the check. @throws OwlError when `wc` counts otherwise */
async function show(cli: Cli, options: DemoOptions, client: WorkloadClient, shown: Shown): Promise<void> {
  const { out } = cli;
  const { json = false } = options;
  const task = await client.task({ id: shown.sum.uid ?? '' });
  const words = await resultOf(client, task);
  const total = words.reduce((all, { count }) => all + count, 0);
  if (!json) {
    const columns = [
      { title: 'WORD', rank: 0, value: ({ word }: Counted) => word },
      { title: 'COUNT', rank: 0, align: 'right' as const, value: ({ count }: Counted) => String(count) },
    ];
    await out.write(renderTable(columns, words.slice(0, WORDS_SHOWN), out));
    await out.line(`… and ${words.length - WORDS_SHOWN} more words; the task that added them up:\n`);
    await out.write(taskCard(task, out));
    await out.line(`\nWhat happened to job ${shown.victim.job_id}, which ran when its pilot was killed:\n`);
  }
  await printHistory(cli, options, client, 'job', shown.victim.uid ?? '');
  const counted = Number(
    spawnSync('sh', ['-c', 'cat text-*.txt | wc -w'], { cwd: shown.texts, encoding: 'utf8' }).stdout,
  );
  if (json) await out.line(toJson({ words: total, wc: counted, different: words.length }));
  else await out.line(`\n${total} words by owl; \`cat text-*.txt | wc -w\` says ${counted}.`);
  if (counted !== total) throw new OwlError('unavailable', `wc counts ${counted} words, and owl ${total}`);
}

interface Counted {
  readonly word: string;
  readonly count: number;
}

/** What is in the one file that is left. */
async function resultOf(
  client: WorkloadClient,
  { data_out_uid = '', data_out_url = '' }: Task,
): Promise<Counted[]> {
  for await (const [file, ...others] of client.files({ uid: data_out_uid, status: ['available'] })) {
    if (file === undefined || others.length > 0) break;
    const path = new URL(file.path ?? '', `${data_out_url}/`);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    return lines.map((line) => {
      const [count = '', word = ''] = line.split('\t');
      return { word, count: Number(count) };
    });
  }
  throw new OwlError('unavailable', 'not one file is left');
}

/** Programs outlive their pilot, so what still runs is ended before that is; what can not be has ended by itself soon. */
async function endTasks(client: WorkloadClient, tasks: readonly Task[]): Promise<void> {
  const deadline = performance.now() + ENDS_WITHIN_MS;
  for (const { uid: id = '' } of tasks) {
    let { state = '' } = await client.task({ id }).catch((): Task => ({}));
    if (!OVER.has(state))
      await client.orderTask('cancel', { id, reason: 'the demo was ended' }).catch(() => undefined);
    while (performance.now() < deadline && !OVER.has(state)) {
      await pause(LOOK_EVERY_MS);
      ({ state = '' } = await client.task({ id }).catch((): Task => ({})));
    }
  }
}
