/**
 * Plots on a data directory as supervisor and keeper leave them, for tests of who reads them; and what talent makes of
 * them, in a form that can be compared: without times, pids and the ids of events.
 */

import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isTransient } from '../../src/base/failure-kinds.js';
import type { SqlRow } from '../../src/base/sql.js';
import { openDatabase } from '../../src/base/sqlite.js';
import type { PlotEnd, PlotRecord } from '../../src/systems/talent/machine/plot-record.js';
import type { PlotTaskStatus } from '../../src/systems/talent/wire/messages.js';
import type { PlotManagerClient } from '../../src/systems/talent/wire/plot-manager-client.js';
import { plotsIn } from './plots-in.js';
import { until } from './until.js';

export const ENDED_AT = 1_790_000_000;
/** How a log tells where its finished plot is. */
const PLACED = /^(?:Renamed final |Plot |Copy to ).*?([^\s"/]+\.plot)"?(?: finished.*)?$/m;

/** One plot whose process and supervisor the test plays itself. */
export class PlayedPlot {
  readonly taskId: string;
  readonly logPath: string;
  private readonly data: string;
  private record: PlotRecord;
  private printed = '';

  /** Its log is there, and empty; nothing of it is known to anybody yet. */
  constructor(data: string, taskId: string, format: string, attempt = 1) {
    this.data = data;
    this.taskId = taskId;
    this.logPath = plotsIn(data).logPathOf({ task_id: taskId, attempt });
    this.record = {
      task_id: taskId,
      attempt,
      worker_id: 'worker',
      log_path: this.logPath,
      format,
      argv: ['plotter'],
      started_time: ENDED_AT - 100,
      process: { pid: 1, boot_id: 'boot', start_time: '1' },
      announced: false,
      stopping: false,
      suspended: false,
      ksize: 32,
      cache1: '/ssd/1',
      cache2: '/ssd/1',
      dest_path: join(data, 'farm'),
      plotter: format,
      temp: [],
      plot_id: null,
      fills_dest: false,
    };
    mkdirSync(dirname(this.logPath), { recursive: true });
    mkdirSync(plotsIn(data).directory.records, { recursive: true });
    mkdirSync(join(data, 'farm'), { recursive: true });
    writeFileSync(this.logPath, '');
    plotsIn(data).write(this.record);
  }

  /** What a supervisor does at the begin: tells talent, and then the log receiver that it has told. */
  async announce(talent: PlotManagerClient): Promise<void> {
    const { task_id, attempt: for_attempt } = this.record;
    await accepted(talent.update({ task_id, for_attempt, status: 'started', plot_pid: 1 }));
    this.change({ announced: true });
  }

  change(changes: Partial<PlotRecord>): void {
    this.record = { ...this.record, ...changes };
    plotsIn(this.data).write(this.record);
  }

  print(bytes: string | Uint8Array): void {
    appendFileSync(this.logPath, bytes);
    this.printed += Buffer.from(bytes).toString('latin1');
  }

  /** Where its plot belongs on this machine, whatever it was ordered for. */
  get farm(): string {
    return join(this.data, 'farm');
  }

  /** What its log says to be in its place is there. Nothing where it does not say so. */
  place(): void {
    const [, name] = PLACED.exec(this.printed) ?? [];
    if (name !== undefined) writeFileSync(join(this.farm, name), 'it is no plot, but it is there\n');
  }

  /** With 0 it has placed its plot. */
  end(how: Partial<PlotEnd> = {}): void {
    if (how.exit_code === 0) this.place();
    plotsIn(this.data).writeEnd(this.record, {
      exit_code: null,
      exit_signal: null,
      ended_time: ENDED_AT,
      ...how,
    });
  }

  remove(): void {
    plotsIn(this.data).remove(this.record);
  }
}

export async function createTask(talent: PlotManagerClient, taskId: string): Promise<void> {
  const plot_config = { ksize: 32, threads: 4, buffer: 4096, cache1: '/ssd/1', dest: { path: '/farm/1' } };
  await accepted(talent.create({ task_id: taskId, plot_config }));
}

async function accepted(answer: Promise<{ is_success?: boolean; msg?: string }>): Promise<void> {
  const { is_success = false, msg = '' } = await answer;
  if (!is_success) throw new Error(msg);
}

/** Answers the task once it is so. Talent may be away meanwhile. */
export async function untilTask(
  talent: PlotManagerClient,
  taskId: string,
  what: string,
  isSo: (task: PlotTaskStatus) => boolean,
): Promise<PlotTaskStatus> {
  let task: PlotTaskStatus = {};
  await until(`${taskId} ${what}`, async () => {
    try {
      task = await talent.status({ task_id: taskId });
    } catch (error) {
      if (!isTransient(error)) throw error;
      return false;
    }
    return isSo(task);
  });
  return task;
}

/** What happened, without what may differ between two runs of the same plot: times, pids, and news of nothing but these. */
export async function historyOf(talent: PlotManagerClient, taskId: string): Promise<unknown[]> {
  const events: unknown[] = [];
  for await (const { type, data = '{}', by } of talent.history({ task_id: taskId })) {
    const fields = Object.entries(z.record(z.string(), z.unknown()).parse(JSON.parse(data)));
    const same = Object.fromEntries(fields.filter(([name]) => !VARIES.has(name)));
    if (type !== 'PlotTaskReported' || Object.keys(same).length > 0) events.push({ type, by, ...same });
  }
  return events;
}

const VARIES: ReadonlySet<string> = new Set([
  ...['create', 'update', 'received', 'pending', 'started', 'running', 'finished'].map(
    (name) => `${name}_time`,
  ),
  ...['plot_pid', 'log_pid', 'id', 'revision'],
]);

/**
 * The row of `plot_tasks` in a data directory, without what may differ between two runs. No talent of this process has it.
 * @param database the file with the read models
 */
export function rowOf(data: string, taskId: string, database = 'owl.db'): SqlRow {
  const db = openDatabase(join(data, database));
  try {
    const row = db.prepare('SELECT * FROM plot_tasks WHERE task_id = ?').get(taskId) ?? {};
    return Object.fromEntries(Object.entries(row).filter(([name]) => !VARIES.has(name)));
  } finally {
    db.close();
  }
}
