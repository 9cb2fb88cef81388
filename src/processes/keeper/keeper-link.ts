/**
 * An owner's connection to its keeper, which is started whenever there is none.
 *
 * Guarantees: as long as the link is open there is a keeper or one is being started; `keeps` tells whose end will be
 * written by somebody else, and of nobody once the keeper is gone. An end that the keeper has told without being able to
 * write it is known here from then on, also when the keeper is gone. A keeper whose answer can't be had, or is not waited
 * for any more, is left. Whether one answers: keeper-answers.ts.
 */

import { closeSync, openSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { keeperEnvironment } from '../environment.js';
import { connectLocally, type LocalPeer } from '../local-calls.js';
import type { ProcessEnd, ProcessRecord } from '../records/process-record.js';
import type { ProcessRecords } from '../records/process-records.js';
import { LaunchedProcess } from '../services/launched-process.js';
import { type Service, startService } from '../services/start-service.js';
import { KeeperAnswers } from './keeper-answers.js';
import { featuresIn, impossibleIn, type KeptProcess, keptIn, unwrittenIn } from './keeper-messages.js';
import { type Feature, featuresOf, type ProcessStart } from './process-start.js';

const STARTS_WITHIN_MS = 10_000;
/** For one that has nothing to keep yet. */
const ENDS_WITHIN_MS = 5_000;

export interface KeeperLinkOptions<Key extends object, Own extends Key> {
  readonly records: ProcessRecords<Key, Own>;
  /** An owner that has it goes on with a keeper that hangs after so long, and does not know what that one keeps. Default: it waits. */
  readonly answersWithinMs?: number;
  /** The owner's program that calls `runKeeper`; its argument is the path of the directory. */
  readonly main: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What its owner hears. */
export interface KeeperNews<Key> {
  /** The end of this process is recorded. */
  readonly onEnded?: (key: Key) => void;
  /** This process has ended, and its end can't be written now; see `unwrittenEnd`. */
  readonly onUnwritten?: (key: Key) => void;
  /**
   * The keeper is gone: nobody sees the ends of the processes it kept.
   * @param newest the one that it was asked to start last by this owner, whatever has become of that
   */
  readonly onLost?: (newest: Key | undefined) => void;
}

export class KeeperLink<Key extends object, Own extends Key> {
  private readonly options: KeeperLinkOptions<Key, Own>;
  private readonly kept = new Set<string>();
  private features: ReadonlySet<unknown> = new Set();
  /** As many as a keeper keeps at most. */
  private readonly unwritten = new Map<string, ProcessEnd>();
  private service: Service<LocalPeer> | undefined;
  private news: KeeperNews<Key> = {};
  private newest: Key | undefined;
  private readonly answers: KeeperAnswers;

  constructor(options: KeeperLinkOptions<Key, Own>) {
    this.options = options;
    const { logger, records, clock, answersWithinMs: withinMs } = options;
    const place = records.directory.path;
    this.answers = new KeeperAnswers({ logger, title: this.title, place, clock, withinMs });
  }

  /** Resolves once there is a keeper. @throws OwlError kind `unavailable` when none can be started */
  async open(news: KeeperNews<Key> = {}): Promise<void> {
    const { clock, logger } = this.options;
    this.news = news;
    this.service = startService<LocalPeer>({
      name: this.title,
      clock,
      knock: (_launched, signal) => this.connect(signal),
      launch: () => this.launch(),
      gone: (peer) => peer.closed,
      // It stays as long as it has processes.
      release: async (peer) => peer.close(),
      startsWithinMs: STARTS_WITHIN_MS,
      endsWithinMs: ENDS_WITHIN_MS,
      // Called and left it ends in order, and what a killed one left behind goes with it.
      stoppedAtStart: 'finish',
      // One that is about to end has the lock still, so that the next one ends at once.
      firstStart: { triedForMs: STARTS_WITHIN_MS },
      backoff: { firstMs: 50, longestMs: 5_000 },
      notStarted: (process) => this.notStarted(process),
      onGone: () => {
        this.kept.clear();
        logger.error(`${this.title} is gone; the exit codes of those that run will not be known`);
        news.onLost?.(this.newest);
        this.newest = undefined;
      },
      onFailed: (error) => logger.error({ err: error }, `${this.title} can not be reached; trying again`),
    });
    await this.service.started;
  }

  /** The keeper stays as long as it has processes. */
  async close(): Promise<void> {
    await this.service?.stop();
  }

  get connected(): boolean {
    return this.peer !== undefined;
  }

  /** Whether it is there and does not answer. */
  get hangs(): boolean {
    return this.answers.hangs(this.peer);
  }

  /** To be called once a second by an owner that wants to know whether it hangs. */
  look(): void {
    this.answers.look(this.peer);
  }

  private get peer(): LocalPeer | undefined {
    return this.service?.found;
  }

  keeps(key: Key): boolean {
    return this.kept.has(this.nameOf(key));
  }

  /** How a process has ended that the keeper can't write of. */
  unwrittenEnd(key: Key): ProcessEnd | undefined {
    return this.unwritten.get(this.nameOf(key));
  }

  /**
   * @throws OwlError kind `invalid` when the process can never be started here, `refused` with the keeper's reason when it
   *   can't for the moment, `unavailable` when the keeper is gone: then the process may run all the same
   */
  async start(start: ProcessStart<Own>): Promise<ProcessRecord<Own>> {
    if (this.peer === undefined)
      throw new OwlError('unavailable', `${this.title} is gone; a new one is being started`);
    this.refuseUnknown(featuresOf(start));
    const name = this.nameOf(start);
    const wasKept = this.kept.has(name);
    // Before the answer comes the process may have ended, and its end been told.
    this.kept.add(name);
    this.newest = this.options.records.keyOf(start);
    try {
      const reason = impossibleIn(await this.peer.call('start', start));
      if (reason !== undefined) throw new OwlError('invalid', reason);
    } catch (error) {
      if (!wasKept) this.kept.delete(name);
      throw error;
    }
    const record = this.options.records.read(start);
    if (record === undefined)
      throw new OwlError('unavailable', `the record of ${name} vanished right after its start`);
    return record;
  }

  /**
   * Moves the deadline of a process that has one. Once it resolves the keeper has the new one.
   * @param deadlineMs since boot, see `Clock.sinceBoot`
   * @param killAtMs when what is left of it is killed, where that is moved too; a keeper that knows of no such time has none to move
   * @throws OwlError kind `refused` when the process is being ended or has ended, `unavailable` when the keeper is gone: then
   *   nobody but the owner enforces it
   */
  async renew(key: Key, deadlineMs: number, killAtMs?: number): Promise<void> {
    if (this.peer === undefined) throw new OwlError('unavailable', `${this.title} is gone`);
    this.refuseUnknown(['renew']);
    await this.peer.call('renew', {
      ...this.options.records.kind.keyIn(key),
      ...{ deadline_ms: deadlineMs, ...(killAtMs === undefined ? {} : { kill_at_ms: killAtMs }) },
    });
  }

  private refuseUnknown(wanted: readonly Feature[]): void {
    const lacking = wanted.filter((feature) => !this.features.has(feature));
    if (lacking.length === 0) return;
    throw new OwlError(
      'unavailable',
      `${this.title} is of an earlier version of owl and knows no ${lacking.join(', ')}; it ends when nothing of it runs any more and no owner is connected, and a new one follows`,
    );
  }

  private get title(): string {
    return `the keeper of ${this.options.records.kind.noun}s`;
  }

  private nameOf(key: Key): string {
    return this.options.records.kind.nameOf(key);
  }

  private noteUnwritten(key: Key, end: ProcessEnd | undefined): void {
    if (end === undefined) return;
    const { logger, records } = this.options;
    logger.error(
      { process: this.nameOf(key), reason: end.unwritten },
      `the keeper can not write how a ${records.kind.noun} has ended, and keeps it until it can; is the disk full?`,
    );
    this.unwritten.set(this.nameOf(key), end);
    this.news.onUnwritten?.(key);
  }

  /** Undefined when there is none, or one that is just ending. */
  private async connect(signal: AbortSignal): Promise<LocalPeer | undefined> {
    const { records } = this.options;
    const hear = (event: string, told: unknown): void => {
      if (event === 'unwritten') {
        const unwritten = unwrittenIn(records.kind, told);
        if (unwritten !== undefined) this.noteUnwritten(unwritten.key, unwritten.end);
      } else this.noteEnded(told);
    };
    const peer = await connectLocally(records.directory.keeperSocket, { hear }).catch(() => undefined);
    if (peer === undefined) return undefined;
    const close = () => peer.close();
    if (signal.aborted) close();
    signal.addEventListener('abort', close, { once: true });
    try {
      await this.answers.first(peer, this.learn(peer));
      return peer;
    } catch (error) {
      close();
      if (!signal.aborted && error instanceof OwlError && error.kind === 'unavailable') return undefined;
      throw error;
    } finally {
      signal.removeEventListener('abort', close);
    }
  }

  /** What it can do, and what it keeps. */
  private async learn(peer: LocalPeer): Promise<void> {
    // One of an earlier version refuses it.
    const hello = peer.call('hello').catch(() => undefined);
    const list = await peer.call('list');
    this.features = featuresIn(await hello);
    for (const { key, end } of keptIn(this.options.records.kind, list)) {
      this.kept.add(this.nameOf(key));
      this.noteUnwritten(key, end);
    }
  }

  private noteEnded(told: unknown): void {
    const { records } = this.options;
    const key = typeof told === 'object' && told !== null ? records.kind.keyIn(told) : undefined;
    if (key === undefined) return;
    this.kept.delete(this.nameOf(key));
    this.news.onEnded?.(key);
    this.unwritten.delete(this.nameOf(key));
  }

  private launch(): LaunchedProcess {
    const { records, main } = this.options;
    const { path, keeperLog } = records.directory;
    const log = openLog(keeperLog);
    try {
      return new LaunchedProcess({
        ...{ argv: [process.execPath, main, path], cwd: path, env: keeperEnvironment(), fate: 'outlives' },
        ...{ stderr: log, stdout: 'as stderr' },
      });
    } finally {
      if (log !== undefined) closeSync(log);
    }
  }

  private notStarted({ failure }: LaunchedProcess): OwlError {
    const why = failure === undefined ? '' : `: ${messageOf(failure)}`;
    const { keeperLog } = this.options.records.directory;
    return new OwlError('unavailable', `${this.title} did not start${why}; ${keeperLog} may say why`);
  }
}

/** Undefined when there can be none, on a full disk for instance: a keeper is worth more than its log. */
function openLog(path: string): number | undefined {
  try {
    return openSync(path, 'a', 0o600);
  } catch {
    return undefined;
  }
}

/**
 * What a keeper has to write still, asked by whoever is not its owner.
 * @throws Error of the system when there is no keeper
 */
export async function unwrittenEnds<Key extends object, Own extends Key>({
  directory,
  kind,
}: ProcessRecords<Key, Own>): Promise<KeptProcess<Key>[]> {
  const peer = await connectLocally(directory.keeperSocket);
  try {
    return keptIn(kind, await peer.call('list')).filter(({ end }) => end !== undefined);
  } finally {
    peer.close();
  }
}
