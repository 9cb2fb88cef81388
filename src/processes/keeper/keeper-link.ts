/**
 * The supervisor's connection to its keeper, which is started whenever there is none.
 *
 * Guarantees: as long as the link is open there is a keeper or one is being started; `keeps` tells whose end will be
 * written by somebody else, and of nobody once the keeper is gone. An end that the keeper has told without being able to
 * write it is known here from then on, also when the keeper is gone. A keeper whose answer can't be had, or is not waited
 * for any more, is left.
 */

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { Backoff, wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { connectLocally, type LocalPeer } from '../local-calls.js';
import {
  isPlotEnd,
  type PlotEnd,
  type PlotKey,
  type PlotRecord,
  readPlotRecord,
} from '../records/process-record.js';
import { type KeptPlot, keeperSocketPath } from './keeper.js';
import type { PlotStart } from './plot-start.js';
import { keeperEnvironment } from './plotter-environment.js';

const MAIN = fileURLToPath(new URL('keeper-main.js', import.meta.url));
/** How often a new keeper is asked whether it is there yet. */
const KNOCK_MS = 20;
const STARTS_WITHIN_MS = 10_000;
const NEVER = new AbortController().signal;

export interface KeeperLinkOptions {
  /** The supervisor's data directory. Absolute. */
  readonly data: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The end of this plot is recorded. */
  readonly onEnded: (key: PlotKey) => void;
  /** This plot has ended, and its end can't be written now; see `unwrittenEnd`. */
  readonly onUnwritten: (key: PlotKey) => void;
  /** The keeper is gone: nobody sees the ends of the plots it kept. */
  readonly onLost: () => void;
}

export class KeeperLink {
  private readonly options: KeeperLinkOptions;
  private readonly stopping = new AbortController();
  private readonly backoff = new Backoff({ firstMs: 50, longestMs: 5_000 });
  private readonly kept = new Set<string>();
  /** As many as a keeper keeps at most. */
  private readonly unwritten = new Map<string, PlotEnd>();
  private peer: LocalPeer | undefined;
  private running: Promise<void> | undefined;

  constructor(options: KeeperLinkOptions) {
    this.options = options;
  }

  /** Resolves once there is a keeper. @throws OwlError kind `unavailable` when none can be started */
  async open(): Promise<void> {
    const peer = await this.reach();
    this.running = this.keepOpen(peer);
  }

  /** The keeper stays as long as it has plots. */
  async close(): Promise<void> {
    this.stopping.abort();
    this.peer?.close();
    await this.running;
  }

  get connected(): boolean {
    return this.peer !== undefined;
  }

  keeps(key: PlotKey): boolean {
    return this.kept.has(nameOf(key));
  }

  /** How a plot has ended that the keeper can't write of. */
  unwrittenEnd(key: PlotKey): PlotEnd | undefined {
    return this.unwritten.get(nameOf(key));
  }

  /**
   * @throws OwlError kind `invalid` when the plotter can never be started here, `refused` with the keeper's reason when it
   *   can't for the moment, `unavailable` when the keeper is gone: then the plot may run all the same
   */
  async start(start: PlotStart): Promise<PlotRecord> {
    if (this.peer === undefined)
      throw new OwlError('unavailable', 'the keeper of plots is gone; a new one is being started');
    // Before the answer comes the plotter may have ended, and its end been told.
    this.kept.add(nameOf(start));
    try {
      const reason = impossibleIn(await this.peer.call('start', start));
      if (reason !== undefined) throw new OwlError('invalid', reason);
    } catch (error) {
      this.kept.delete(nameOf(start));
      throw error;
    }
    const record = readPlotRecord(this.options.data, start);
    if (record === undefined)
      throw new OwlError('unavailable', `the record of ${start.task_id} vanished right after its start`);
    return record;
  }

  private async keepOpen(first: LocalPeer): Promise<void> {
    const { clock, logger, onLost } = this.options;
    let peer: LocalPeer | undefined = first;
    while (!this.stopping.signal.aborted) {
      if (peer !== undefined) {
        await peer.closed;
        this.peer = undefined;
        this.kept.clear();
        if (this.stopping.signal.aborted) return;
        logger.error('the keeper of plots is gone; the exit codes of those that run will not be known');
        onLost();
      }
      try {
        peer = await this.reach();
        this.backoff.reset();
      } catch (error) {
        peer = undefined;
        logger.error({ err: error }, 'no keeper of plots can be reached; trying again');
        await wait(clock, this.backoff.next(), this.stopping.signal);
      }
    }
    peer?.close();
  }

  /** Connects to the keeper that is there, or to a new one. */
  private async reach(): Promise<LocalPeer> {
    const { signal } = this.stopping;
    const peer = (await this.connect()) ?? (await this.startKeeper());
    const close = () => peer.close();
    if (signal.aborted) close();
    signal.addEventListener('abort', close, { once: true });
    try {
      for (const plot of keptIn(await peer.call('list'))) {
        this.kept.add(nameOf(plot));
        this.noteUnwritten(plot, plot.end);
      }
    } catch (error) {
      close();
      throw error;
    } finally {
      signal.removeEventListener('abort', close);
    }
    this.peer = peer;
    return peer;
  }

  private noteUnwritten(key: PlotKey, end: PlotEnd | undefined): void {
    if (end === undefined) return;
    this.options.logger.error(
      { taskId: key.task_id, reason: end.unwritten },
      'the keeper can not write how a plot has ended, and keeps it until it can; is the disk full?',
    );
    this.unwritten.set(nameOf(key), end);
    this.options.onUnwritten(key);
  }

  private async connect(): Promise<LocalPeer | undefined> {
    const { data, onEnded } = this.options;
    const hear = (event: string, told: unknown): void => {
      if (event === 'unwritten') {
        for (const { end, ...key } of keptIn([flat(told)])) this.noteUnwritten(key, end);
        return;
      }
      for (const key of keysOf([told])) {
        this.kept.delete(nameOf(key));
        onEnded(key);
        this.unwritten.delete(nameOf(key));
      }
    };
    return await connectLocally(keeperSocketPath(data), { hear }).catch(() => undefined);
  }

  private async startKeeper(): Promise<LocalPeer> {
    const { data, clock } = this.options;
    let failure: Error | undefined;
    const log = openLog(data);
    const keeper = spawn(process.execPath, [MAIN, data], {
      detached: true,
      stdio: ['ignore', log ?? 'ignore', log ?? 'ignore'],
      cwd: data,
      env: keeperEnvironment(),
    });
    if (log !== undefined) closeSync(log);
    keeper.on('error', (error) => {
      failure = error;
    });
    keeper.unref();
    const deadline = clock.monotonic() + STARTS_WITHIN_MS;
    // Also when nobody needs it any more: called and left it ends in order, and what a killed one left behind goes with it.
    while (failure === undefined && clock.monotonic() < deadline) {
      const peer = await this.connect();
      if (peer !== undefined) return peer;
      await wait(clock, KNOCK_MS, NEVER);
    }
    // Nobody has called it, so it keeps nothing, and nobody will.
    keeper.kill();
    const why = failure === undefined ? '' : `: ${messageOf(failure)}`;
    throw new OwlError(
      'unavailable',
      `the keeper of plots did not start${why}; ${join(data, 'keeper.log')} may say why`,
    );
  }
}

/** Undefined when there can be none, on a full disk for instance: a keeper is worth more than its log. */
function openLog(data: string): number | undefined {
  try {
    return openSync(join(data, 'keeper.log'), 'a', 0o600);
  } catch {
    return undefined;
  }
}

/**
 * What a keeper has to write still, asked without a supervisor.
 * @throws Error of the system when there is no keeper
 */
export async function unwrittenEnds(data: string): Promise<KeptPlot[]> {
  const peer = await connectLocally(keeperSocketPath(data));
  try {
    return keptIn(await peer.call('list')).filter(({ end }) => end !== undefined);
  } finally {
    peer.close();
  }
}

function nameOf({ task_id, attempt }: PlotKey): string {
  return `${task_id}.${attempt}`;
}

/** See `StartAnswer`. */
function impossibleIn(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null || !('impossible' in answer)) return undefined;
  return String(answer.impossible);
}

/** An end that is none counts as not told. */
function keptIn(value: unknown): KeptPlot[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isKey).map(({ task_id, attempt, ...rest }) => {
    const end: unknown = 'end' in rest ? rest.end : undefined;
    return { task_id, attempt, ...(isPlotEnd(end) ? { end } : {}) };
  });
}

/** See `UnwrittenEnd`. */
function flat(told: unknown): unknown {
  if (typeof told !== 'object' || told === null || !('plot' in told) || !('end' in told)) return undefined;
  return typeof told.plot === 'object' ? { ...told.plot, end: told.end } : undefined;
}

function keysOf(value: unknown): PlotKey[] {
  return Array.isArray(value) ? value.filter(isKey) : [];
}

function isKey(value: unknown): value is PlotKey {
  return (
    typeof value === 'object' &&
    value !== null &&
    'task_id' in value &&
    typeof value.task_id === 'string' &&
    'attempt' in value &&
    typeof value.attempt === 'number'
  );
}
