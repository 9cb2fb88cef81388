/**
 * What goes between the parts of a pilot: its lease and work, its attempts, its keeper.
 *
 * Guarantees: what is told before the pilot was ever attached waits; what the node could not take is told again; what runs has the
 * deadline that the newest confirmation of the lease allows.
 */

import { setMaxListeners } from 'node:events';
import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { Backoff, orAborted, untilAborted, wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { messageOf, OwlError } from '../../../base/errors.js';
import { identifyProcess } from '../../../base/process-identity.js';
import type { Releasers } from '../../../base/releasers.js';
import { retry } from '../../../base/repeat.js';
import { DeadlineFile } from '../../../processes/keeper/deadline-file.js';
import { KeeperLink } from '../../../processes/keeper/keeper-link.js';
import { removeOldLogs } from '../../../processes/records/old-logs.js';
import type { PilotReportAnswer, PilotSample, PilotTold, Work } from '../wire/pilot-messages.js';
import { Attempts } from './attempts.js';
import { Claims } from './claims.js';
import type { HintOver } from './hints.js';
import { KEEPER_MAIN } from './keeper-program.js';
import { pieceOf } from './log-pieces.js';
import { MemoryBook } from './memory-book.js';
import type { PayloadEnvironment } from './payload-environment.js';
import { PAYLOADS, type PayloadFields, type PayloadKey, type PayloadRecord } from './payload-record.js';
import type { PilotDirectory } from './pilot-directory.js';
import { PilotLink } from './pilot-link.js';
import type { PilotOptions, PilotState } from './pilot-options.js';
import type { PilotRoad, Reports } from './road/pilot-road.js';
import { Storage } from './storage.js';
import { WorkDirectories } from './work-directory.js';

/** Logs of payloads stay on the machine that long after they were stored. */
const KEEP_LOGS_DAYS = 7;
const STORAGE_PATIENCE_MS = 60_000;
const LOOK_MS = 100;
/** One that hangs keeps nobody from adopting what it keeps. */
const KEEPER_ANSWERS_WITHIN_MS = 10_000;
/** Beyond the grace of what it runs. */
const STOPS_WITHIN_MS = 15_000;

export class RunningPilot {
  readonly fenced: Promise<OwlError>;
  private isFenced = false;
  private fence: (error: OwlError) => void = () => undefined;
  private readonly options: PilotOptions;
  private readonly directory: PilotDirectory;
  private readonly clock: Clock;
  private readonly ending = new AbortController();
  private readonly road: PilotRoad;
  private readonly reports: Reports;
  private readonly keeper: KeeperLink<PayloadKey, PayloadFields>;
  private readonly link: PilotLink;
  private readonly attempts: Attempts;

  constructor(
    options: PilotOptions,
    road: PilotRoad,
    directory: PilotDirectory,
    offered: readonly string[],
    clock: Clock,
  ) {
    const { settings, logger, version } = options;
    const { device, slots, memory_mib, labels, grace_seconds: graceSeconds } = settings;
    this.options = options;
    this.road = road;
    this.directory = directory;
    this.clock = clock;
    this.fenced = new Promise((resolve) => {
      this.fence = resolve;
    });
    setMaxListeners(0, this.ending.signal);
    this.link = new PilotLink({
      ...{ road, name: settings.name, version, graceSeconds, clock, logger },
      body: {
        ...{ device_type: device, slots, executables: offered },
        ...(memory_mib === 0 ? {} : { memory_mib }),
        ...(labels === undefined ? {} : { labels }),
        instance: directory.instanceId(),
      },
    });
    this.reports = road.reports(settings.name, () => this.link.attachedSession);
    this.keeper = new KeeperLink({
      ...{ records: directory.payloads, main: KEEPER_MAIN, clock, logger },
      answersWithinMs: KEEPER_ANSWERS_WITHIN_MS,
    });
    this.attempts = new Attempts(slots, this.environment(), () => this.road.noteRoom());
  }

  status(): PilotState {
    const { name, device, slots } = this.options.settings;
    const { counts, used, draining } = this.attempts;
    return {
      ...{ name, device, attached: this.link.attached, reason: this.link.awayReason, draining },
      ...{ slots, slots_used: used, jobs_done: counts.done, jobs_failed: counts.failed },
      jobs: this.attempts.samples(),
    };
  }

  async start(releasers: Releasers, interrupted: AbortSignal): Promise<void> {
    const { logger } = this.options;
    const { clock, directory, ending, road } = this;
    releasers.add('connections', () => road.close());
    releasers.add('keeper', () => this.keeper.close());
    const opening = this.keeper.open({
      onEnded: (key) => this.attempts.noteEnded(key),
      onUnwritten: (key) => this.attempts.noteEnded(key),
      onLost: (newest) => this.attempts.noteKeeperLost(newest),
    });
    const toldToEnd = untilAborted(interrupted).then(() => {
      throw new OwlError('unavailable', 'the pilot was told to end before it had started');
    });
    toldToEnd.catch(() => undefined);
    await Promise.race([opening, toldToEnd]);
    this.attempts.adopt();
    const records = directory.payloads;
    const common = { clock, logger, signal: ending.signal };
    const going = [this.attempts.watch(), removeOldLogs({ ...common, records, keepDays: KEEP_LOGS_DAYS })];
    releasers.add('watching', async () => {
      ending.abort();
      this.reports.close();
      await Promise.all([...going, this.attempts.ended()]);
    });
    releasers.add('lease', () => this.link.stop('the pilot was stopped'));
    if (this.options.settings.when_stopped === 'end') releasers.add('jobs', () => this.endJobs());
    this.link.start({
      onWork: (work, over) => this.take(work, over),
      room: () => this.attempts.room,
      onAway: () => this.attempts.forgetHints(),
      onRenewed: () => this.renew(),
      onSilence: () => this.endForSilence(),
      onFenced: (reason) => void this.endFenced(reason),
      sample: () => this.sample(),
      tell: (told) => this.tell(told),
      isIdle: () => this.attempts.used === 0,
    });
    logger.info({ data: directory.path, server: road.place }, 'the pilot takes jobs');
  }

  private environment(): PayloadEnvironment {
    const { settings, variables, logger, storagePatienceMs = STORAGE_PATIENCE_MS } = this.options;
    const { directory, clock, keeper, link } = this;
    return {
      ...{ settings, executables: settings.executables, variables, logger, storagePatienceMs },
      ...{ directory, clock, keeper, signal: this.ending.signal },
      storage: new Storage(
        settings.storage_roots,
        { path: directory.places, bootId: identifyProcess(process.pid)?.bootId, logger },
        statSync(directory.path).dev,
      ),
      works: new WorkDirectories(directory.work, settings.slots),
      claims: new Claims(directory.claims, logger),
      memory: new MemoryBook(settings.memory_mib),
      // One that hangs writes no end: what is gone has ended.
      isKept: (key) => keeper.keeps(key) && !keeper.hangs,
      unwrittenEnd: (key) => keeper.unwrittenEnd(key),
      mayAct: () => link.mayAct(),
      actsUntilMs: () => link.actsUntilMs,
      killAtMs: (record) => this.killAtMs(record),
      tell: (told) => this.tell(told),
      jobInputs: (request) => this.road.jobInputs(request),
    };
  }

  /** Before this pilot has had a lease it holds to what a keeper that hangs was told last. */
  private killAtMs(record?: PayloadRecord): number {
    const { keeper, link, directory } = this;
    if (record === undefined || Number.isFinite(link.killAtMs) || !keeper.hangs) return link.killAtMs;
    const moved = new DeadlineFile(directory.keeperDeadlines).read().get(PAYLOADS.nameOf(record));
    return moved?.killAtMs ?? record.kill_at_ms ?? link.killAtMs;
  }

  private take({ hint, cancel, drain, read_log }: Work, over?: HintOver): void {
    const { directory, options, attempts } = this;
    if (hint !== undefined) attempts.hint(hint, over);
    if (cancel !== undefined) attempts.cancel(cancel);
    if (drain !== undefined && drain !== attempts.draining) {
      options.logger.info(drain ? 'the pilot is to take nothing new' : 'the pilot is to take jobs again');
      attempts.drain(drain);
    }
    if (read_log === undefined) return;
    const { job = '', attempt = 0 } = read_log;
    const running = this.attempts.find(job, attempt)?.running;
    const isOver = running === undefined || running.end !== undefined;
    void pieceOf(read_log, directory, isOver)
      .then((log) => this.tell({ log }))
      .catch(() => undefined);
  }

  /** Until it is answered: as a report that a node was not able to take is put aside, it is told again later. */
  private async tell(told: PilotTold): Promise<PilotReportAnswer> {
    const { signal } = this.ending;
    await orAborted(this.link.firstAttached, signal);
    const answer = await retry(
      {
        ...{ clock: this.clock, backoff: new Backoff({ firstMs: 100, longestMs: 5_000 }), signal },
        failed: (error) =>
          this.options.logger.error({ reason: messageOf(error) }, 'a report waits to be told again'),
      },
      () => this.send(told),
    );
    if (answer === undefined) throw signal.reason;
    return answer;
  }

  /** @throws OwlError when it was told in the name of a session that another of this pilot has followed */
  private async send(told: PilotTold): Promise<PilotReportAnswer> {
    const answer = await this.reports.send(told);
    if (answer.is_success === true || answer.reason !== 'stale_session') return answer;
    // Another pilot has the lease: its claims are told by that one, or by nobody.
    if (this.isFenced) return answer;
    throw new OwlError('unavailable', answer.msg ?? 'it was told in the name of another session');
  }

  /** Of one that has a long grace to end in as well: nobody else may begin it for so long. */
  private renew(): void {
    const { actsUntilMs, killAtMs } = this.link;
    for (const { running } of this.attempts.running()) {
      if (running === undefined) continue;
      const { limit_ms: limitMs = Number.POSITIVE_INFINITY } = running.record;
      this.keeper.renew(running.record, Math.min(actsUntilMs, limitMs), killAtMs).catch((error: unknown) => {
        const { job } = running.record;
        this.options.logger.debug(
          { job, reason: messageOf(error) },
          'the deadline of a payload was not moved',
        );
      });
    }
  }

  /** As far as there is time: what is not told by then the next pilot tells. */
  private async endJobs(): Promise<void> {
    const { clock, attempts } = this;
    attempts.endAll();
    const until = clock.monotonic() + this.options.settings.grace_seconds * 1000 + STOPS_WITHIN_MS;
    while (attempts.used > 0 && clock.monotonic() < until) await wait(clock, LOOK_MS, this.ending.signal);
  }

  private async endForSilence(): Promise<void> {
    this.attempts.noteLeaseOver();
    await this.untilNothingRuns();
  }

  private async untilNothingRuns(): Promise<void> {
    const { signal } = this.ending;
    while (this.attempts.running().length > 0 && !signal.aborted) await wait(this.clock, LOOK_MS, signal);
  }

  private async endFenced(reason: string): Promise<void> {
    this.options.logger.error({ reason }, 'another session has the lease of this pilot; what runs is ended');
    this.isFenced = true;
    this.attempts.abandonAll(reason);
    await this.untilNothingRuns();
    this.fence(
      new OwlError(
        'refused',
        `pilot ${this.options.settings.name} is not the one that has its lease any more (${reason}): give each pilot a name of its own`,
      ),
    );
  }

  private async sample(): Promise<PilotSample> {
    const { counts, used } = this.attempts;
    const jobs = this.attempts.samples();
    const free = await statfs(this.directory.path).catch(() => undefined);
    const rss = jobs.reduce((sum, job) => sum + (job.rss ?? 0), process.memoryUsage.rss());
    const [load = 0] = loadavg();
    const { resting } = this.attempts;
    return {
      ...{ slots_used: used, load, rss, jobs_done: counts.done, jobs_failed: counts.failed, jobs },
      ...(free === undefined ? {} : { disk_free: free.bavail * free.bsize }),
      ...(resting === undefined ? {} : { resting }),
    };
  }
}
