/**
 * Gives up peers that stay lost, after as long as their system says; what that means is the system's.
 *
 * Guarantees:
 * - only time counts in which this node was listening and that it has counted itself: neither a wall clock that was set, nor
 *   a pause, nor a restart brings the end nearer. A restarted node counts anew, since it can't know what it has not heard;
 * - nobody is given up by one look. The store has to say that the peer is lost; then it has a full lease, in which
 *   nothing holds this node up and the store answers, to be heard; then what has arrived is read, and the store has to say it
 *   again. While the store is away nobody is given up, and who comes back meanwhile is not given up when it returns;
 * - a sign of life that could not be recorded counts: the time begins anew;
 * - on a shared store the node that kept the lease gives up. Another one does so only after the time has passed in which it
 *   would have taken the lease over.
 *
 * It is a loop over what is stored: what is done at a give-up has to change nothing when it is done once more, and what was
 * missed is found by the next round.
 */

import type { Logger } from 'pino';
import type { AnyStateMachine } from 'xstate';
import { DamagedStreamError } from '../base/errors.js';
import { hearOut, type ListeningTime } from '../base/listening-time.js';
import type { ActorSystem } from '../runtime/actors/actor-system.js';
import { idOf, type RecordedEvent } from '../runtime/event-store/event-store.js';
import { BEATS_IN_A_LEASE } from './holder/lease-terms.js';
import { LeaseDecisions } from './lease-events.js';
import { type PeerKind, type PeerLease, SELDOM } from './peer-kind.js';

/** Before a store that did not answer is asked again. */
const RETRY_MS = 1_000;

export interface GiveUpsOptions<M extends AnyStateMachine> {
  readonly kind: PeerKind<M>;
  readonly system: ActorSystem;
  readonly listening: ListeningTime;
  readonly logger: Logger;
  /** This node. */
  readonly nodeId: string;
  /** Other nodes keep leases in the same store. */
  readonly shared: boolean;
  /** How long a peer may stay lost. */
  readonly giveUpSeconds: number;
  /** It will be given up in so long, unless it is heard of: for people, and told again where it changes. Never rejects. */
  announce?(peerId: string, inMs: number, signal: AbortSignal): Promise<void>;
  /** The time is over. True when nothing of it has to be tried again; the signal aborts when the peer is heard of. */
  giveUp(peerId: string, signal: AbortSignal): Promise<boolean>;
}

interface Lost {
  readonly peerId: string;
  readonly sessionId: string;
  /** Listening time. */
  readonly since: number;
  /** When this node was last held up for as long as a heartbeat may take. Listening time. */
  heldUpAt: number;
  leaseMs: number;
  readonly over: AbortController;
}

export class GiveUps<M extends AnyStateMachine> {
  private readonly options: GiveUpsOptions<M>;
  private readonly decisions: LeaseDecisions<M>;
  private readonly giveUpMs: number;
  private readonly lost = new Map<string, Lost>();
  private readonly ignoreHoldUps: () => void;
  private readonly running = new Set<Promise<void>>();
  private stopped = false;

  constructor(options: GiveUpsOptions<M>) {
    this.options = options;
    this.decisions = new LeaseDecisions(options.kind);
    this.giveUpMs = options.giveUpSeconds * 1000;
    this.ignoreHoldUps = options.listening.onHeldUp((heldUpMs) => this.noteHoldUp(heldUpMs));
  }

  /** Takes note of what the history says of peers. Late or repeated events do no harm: the store is asked. */
  observe(events: readonly RecordedEvent[]): void {
    for (const event of events) {
      if (this.decisions.newsOf(event) === undefined) continue;
      const { session_id: sessionId } = event.data;
      const peerId = idOf(event.stream);
      if (typeof sessionId !== 'string') continue;
      if (event.type === this.options.kind.events.lost) this.watch(peerId, sessionId);
      else this.forget(peerId);
    }
  }

  /** From now on, unless it is watched already. */
  watch(peerId: string, sessionId: string): void {
    if (this.stopped || this.lost.get(peerId)?.sessionId === sessionId) return;
    this.forget(peerId);
    const since = this.options.listening.now();
    const over = new AbortController();
    const lost = { peerId, sessionId, since, heldUpAt: -1, leaseMs: this.giveUpMs, over };
    this.lost.set(peerId, lost);
    const running = this.run(lost).finally(() => this.running.delete(running));
    this.running.add(running);
  }

  /** Somebody speaks for it; whether that can be recorded is another matter. @param sessionId undefined: a new one */
  heard(peerId: string, sessionId: string | undefined): void {
    const lost = this.lost.get(peerId);
    if (lost === undefined || (sessionId !== undefined && sessionId !== lost.sessionId)) return;
    this.forget(peerId);
    this.watch(peerId, lost.sessionId);
  }

  stop(): void {
    this.stopped = true;
    this.ignoreHoldUps();
    for (const peerId of this.lost.keys()) this.forget(peerId);
  }

  /** Once stopped: what was under way may wait for the store, until that is closed. */
  async ended(): Promise<void> {
    await Promise.all(this.running);
  }

  private forget(peerId: string): void {
    this.lost.get(peerId)?.over.abort();
    this.lost.delete(peerId);
  }

  private noteHoldUp(heldUpMs: number): void {
    for (const lost of this.lost.values())
      if (heldUpMs * BEATS_IN_A_LEASE >= lost.leaseMs) lost.heldUpAt = this.options.listening.now();
  }

  private async run(lost: Lost): Promise<void> {
    const { kind, listening, nodeId, shared } = this.options;
    const { signal } = lost.over;
    const known = await this.untilAsked(lost);
    if (known === undefined) return;
    const isOurs = !shared || known.nodeId === nodeId;
    const othersMs = isOurs ? 0 : (kind.handover ?? SELDOM).goneAfter * known.leaseSeconds * 1000;
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

  /** True once that is done; false when there was a reason to wait for it once more. */
  private async isGivenUp(lost: Lost): Promise<boolean> {
    const { kind, listening, logger } = this.options;
    const { signal } = lost.over;
    if ((await this.untilAsked(lost)) === undefined) return false;
    const askedAt = listening.now();
    await this.announce(lost, lost.leaseMs);
    await listening.wait(askedAt + lost.leaseMs - listening.now(), signal);
    await hearOut();
    if (signal.aborted || lost.heldUpAt >= askedAt) return false;
    try {
      return (await this.ask(lost)) !== undefined && (await this.options.giveUp(lost.peerId, signal));
    } catch (error) {
      logger.error({ err: error, peerId: lost.peerId }, `a lost ${kind.noun} was not given up; trying again`);
      return false;
    }
  }

  private async announce({ peerId, over }: Lost, inMs: number): Promise<void> {
    await this.options.announce?.(peerId, inMs, over.signal);
  }

  /** Until the store has answered; undefined when that session is not lost any more. */
  private async untilAsked(lost: Lost): Promise<PeerLease | undefined> {
    const { signal } = lost.over;
    while (!signal.aborted) {
      try {
        return await this.ask(lost);
      } catch (error) {
        const what = `whether a ${this.options.kind.noun} is lost is not known`;
        this.options.logger.warn({ err: error, peerId: lost.peerId }, what);
        await this.options.listening.wait(RETRY_MS, signal);
      }
    }
    return undefined;
  }

  private async ask(lost: Lost): Promise<PeerLease | undefined> {
    const { peerId, sessionId, over } = lost;
    const known = await this.read(peerId);
    if (known === undefined) return undefined;
    if (over.signal.aborted) return undefined;
    if (known.status === 'lost' && known.sessionId === sessionId) return known;
    this.forget(peerId);
    return undefined;
  }

  /** Undefined when nobody can know before somebody mends the stream: that is told once, and not asked again. */
  private async read(peerId: string): Promise<PeerLease | undefined> {
    const { kind, system, logger } = this.options;
    try {
      return kind.leaseOf((await system.read(kind.type, peerId)).snapshot);
    } catch (error) {
      if (!(error instanceof DamagedStreamError)) throw error;
      this.forget(peerId);
      const what = `a lost ${kind.noun} is not given up: what is stored of it is damaged`;
      logger.error({ err: error, peerId }, what);
      return undefined;
    }
  }
}
