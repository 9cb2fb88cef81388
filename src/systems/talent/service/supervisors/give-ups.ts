/**
 * Gives up supervisors that stay lost: after `give_up_seconds` their tasks that have begun fail.
 *
 * Guarantees:
 * - only time counts in which this node was listening and that it has counted itself: neither a wall clock that was set, nor
 *   a pause, nor a restart brings the end nearer. A restarted node counts anew, since it can't know what it has not heard;
 * - nobody is given up by one look. The store has to say that the supervisor is lost; then it has a full lease, in which
 *   nothing holds this node up and the store answers, to be heard; then what has arrived is read, and the store has to say it
 *   again. While the store is away nobody is given up, and who comes back meanwhile is not failed when it returns;
 * - a sign of life that could not be recorded counts: the time begins anew;
 * - on a shared store the node that kept the lease gives up. Another one does so only after the time has passed in which it
 *   would have taken the lease over.
 *
 * It is a loop over what is stored: done once more it changes nothing, and what was marked late is found by the next round.
 */

import type { Logger } from 'pino';
import type { SupervisorContext, SupervisorSnapshot } from '../../../../../machines/talent/supervisor.js';
import type { Clock } from '../../../../base/clock.js';
import { DamagedStreamError } from '../../../../base/errors.js';
import { isRefusal } from '../../../../base/failure-kinds.js';
import { hearOut, type ListeningTime } from '../../../../base/listening-time.js';
import { BEATS_IN_A_LEASE } from '../../../../peers/holder/lease-terms.js';
import { SELDOM } from '../../../../peers/peer-kind.js';
import type { ActorSystem } from '../../../../runtime/actors/actor-system.js';
import type { RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { failAsLost, plotTask, postponeFailure } from '../plot-task-commands.js';
import { supervisor } from './supervisor-type.js';

/** Before a store that did not answer is asked again. */
const RETRY_MS = 1_000;

export interface GiveUpsOptions {
  readonly system: ActorSystem;
  readonly clock: Clock;
  readonly listening: ListeningTime;
  readonly logger: Logger;
  /** This node. */
  readonly nodeId: string;
  /** Other nodes keep leases in the same store. */
  readonly shared: boolean;
  /** How long a supervisor may stay lost. */
  readonly giveUpSeconds: number;
  /** Ids of its tasks that have begun and are not over, as far as the read model knows. */
  readonly begun: (workerId: string) => readonly string[];
}

interface Lost {
  readonly workerId: string;
  readonly sessionId: string;
  /** Listening time. */
  readonly since: number;
  /** When this node was last held up for as long as a heartbeat may take. Listening time. */
  heldUpAt: number;
  leaseMs: number;
  readonly over: AbortController;
}

export class GiveUps {
  private readonly options: GiveUpsOptions;
  private readonly giveUpMs: number;
  private readonly lost = new Map<string, Lost>();
  private readonly ignoreHoldUps: () => void;
  private readonly running = new Set<Promise<void>>();
  private stopped = false;

  constructor(options: GiveUpsOptions) {
    this.options = options;
    this.giveUpMs = options.giveUpSeconds * 1000;
    this.ignoreHoldUps = options.listening.onHeldUp((heldUpMs) => this.noteHoldUp(heldUpMs));
  }

  /** Takes note of what the history says of supervisors. Late or repeated events do no harm: the store is asked. */
  observe(events: readonly RecordedEvent[]): void {
    for (const { type, data } of events) {
      const { worker_id: workerId, session_id: sessionId } = data;
      if (typeof workerId !== 'string' || typeof sessionId !== 'string') continue;
      if (type === 'SupervisorLost') this.watch(workerId, sessionId);
      else this.forget(workerId);
    }
  }

  /** From now on, unless it is watched already. */
  watch(workerId: string, sessionId: string): void {
    if (this.stopped || this.lost.get(workerId)?.sessionId === sessionId) return;
    this.forget(workerId);
    const since = this.options.listening.now();
    const over = new AbortController();
    const lost = { workerId, sessionId, since, heldUpAt: -1, leaseMs: this.giveUpMs, over };
    this.lost.set(workerId, lost);
    const running = this.run(lost).finally(() => this.running.delete(running));
    this.running.add(running);
  }

  /** Somebody speaks for it; whether that can be recorded is another matter. @param sessionId undefined: a new one */
  heard(workerId: string, sessionId: string | undefined): void {
    const lost = this.lost.get(workerId);
    if (lost === undefined || (sessionId !== undefined && sessionId !== lost.sessionId)) return;
    this.forget(workerId);
    this.watch(workerId, lost.sessionId);
  }

  stop(): void {
    this.stopped = true;
    this.ignoreHoldUps();
    for (const workerId of this.lost.keys()) this.forget(workerId);
  }

  /** Once stopped: what was under way may wait for the store, until that is closed. */
  async ended(): Promise<void> {
    await Promise.all(this.running);
  }

  private forget(workerId: string): void {
    this.lost.get(workerId)?.over.abort();
    this.lost.delete(workerId);
  }

  private noteHoldUp(heldUpMs: number): void {
    for (const lost of this.lost.values())
      if (heldUpMs * BEATS_IN_A_LEASE >= lost.leaseMs) lost.heldUpAt = this.options.listening.now();
  }

  private async run(lost: Lost): Promise<void> {
    const { listening, nodeId, shared } = this.options;
    const { signal } = lost.over;
    const known = await this.untilAsked(lost);
    if (known === undefined) return;
    const isOurs = !shared || known.nodeId === nodeId;
    const othersMs = isOurs ? 0 : SELDOM.goneAfter * known.leaseSeconds * 1000;
    lost.leaseMs = Math.min(known.leaseSeconds * 1000, this.giveUpMs);
    const endsAt = lost.since + this.giveUpMs + othersMs;
    const looksAt = endsAt - lost.leaseMs;
    // Who is just about to come back needs no news.
    await listening.wait(Math.min(lost.since + lost.leaseMs, looksAt) - listening.now(), signal);
    if (isOurs) await this.announce(lost, endsAt - listening.now());
    await listening.wait(looksAt - listening.now(), signal);
    while (!signal.aborted) {
      const untilNextMs = (await this.isGivenUp(lost)) ? this.giveUpMs : RETRY_MS;
      await listening.wait(untilNextMs, signal);
    }
  }

  /** True once its tasks have failed; false when there was a reason to wait for it once more. */
  private async isGivenUp(lost: Lost): Promise<boolean> {
    const { listening, logger } = this.options;
    const { signal } = lost.over;
    if ((await this.untilAsked(lost)) === undefined) return false;
    const askedAt = listening.now();
    await this.announce(lost, lost.leaseMs);
    await listening.wait(askedAt + lost.leaseMs - listening.now(), signal);
    await hearOut();
    if (signal.aborted || lost.heldUpAt >= askedAt) return false;
    try {
      return (await this.ask(lost)) !== undefined && (await this.failTasks(lost));
    } catch (error) {
      logger.error(
        { err: error, workerId: lost.workerId },
        'a lost supervisor was not given up; trying again',
      );
      return false;
    }
  }

  /** True when nothing has to be tried again. */
  private async failTasks({ workerId, over }: Lost): Promise<boolean> {
    const { logger, begun, system } = this.options;
    const taskIds = begun(workerId);
    if (taskIds.length > 0) logger.warn({ workerId, taskIds }, 'a lost supervisor is given up');
    let failures = 0;
    for (const taskId of taskIds) {
      if (over.signal.aborted) return true;
      try {
        await system.execute(plotTask, taskId, { by: 'lease', decide: failAsLost });
      } catch (error) {
        logger.error({ err: error, taskId }, 'a task of a lost supervisor did not fail');
        if (!isRefusal(error)) failures += 1;
      }
    }
    return failures === 0;
  }

  /** The tasks show when they fail: that is told where it has changed. It is for people, so it may fail. */
  private async announce({ workerId, over }: Lost, inMs: number): Promise<void> {
    const { begun, clock, logger, system } = this.options;
    const now = clock.now() / 1000;
    const failAt = now + inMs / 1000;
    try {
      for (const taskId of begun(workerId)) {
        if (over.signal.aborted) return;
        const decide = postponeFailure(now, failAt);
        await system.execute(plotTask, taskId, { by: 'lease', decide });
      }
    } catch (error) {
      logger.warn({ err: error, workerId }, 'when its tasks fail was not told');
    }
  }

  /** Until the store has answered; undefined when that session is not lost any more. */
  private async untilAsked(lost: Lost): Promise<SupervisorContext | undefined> {
    const { signal } = lost.over;
    while (!signal.aborted) {
      try {
        return await this.ask(lost);
      } catch (error) {
        this.options.logger.warn(
          { err: error, workerId: lost.workerId },
          'whether a supervisor is lost is not known',
        );
        await this.options.listening.wait(RETRY_MS, signal);
      }
    }
    return undefined;
  }

  private async ask(lost: Lost): Promise<SupervisorContext | undefined> {
    const { workerId, sessionId, over } = lost;
    const known = await this.read(workerId);
    if (known === undefined) return undefined;
    const { value, context } = known;
    if (over.signal.aborted) return undefined;
    if (value === 'lost' && context.sessionId === sessionId) return context;
    this.forget(workerId);
    return undefined;
  }

  /** Undefined when nobody can know before somebody mends the stream: that is told once, and not asked again. */
  private async read(workerId: string): Promise<SupervisorSnapshot | undefined> {
    try {
      return (await this.options.system.read(supervisor, workerId)).snapshot;
    } catch (error) {
      if (!(error instanceof DamagedStreamError)) throw error;
      this.forget(workerId);
      const what = 'a lost supervisor is not given up: what is stored of it is damaged';
      this.options.logger.error({ err: error, workerId }, what);
      return undefined;
    }
  }
}
