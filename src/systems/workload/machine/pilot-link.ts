/**
 * The pilot's standing with its node: the lease, the stream of work that comes with it, and its samples.
 *
 * Guarantees: each lease is of one session; one that has ended for silence is followed by another, once nothing of it runs any more;
 * one that somebody else has taken is not. Whatever a session is told after it has ended is dropped.
 */

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { untilAborted } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { LeaseHolder } from '../../../peers/holder/lease-holder.js';
import { BEATS_IN_A_LEASE } from '../../../peers/holder/lease-terms.js';
import type { PeerGrant } from '../../../peers/holder/peer-calls.js';
import { withRoomFor } from './lease-room.js';
import type { Hearing, PilotRoad } from './road/pilot-road.js';

export const PILOT_CATEGORY = 'wl_pilot';
const PROTOCOL = 1;

/** What a pilot says of itself. */
export interface PilotBody {
  readonly device_type: string;
  readonly slots: number;
  readonly executables: readonly string[];
  readonly memory_mib?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Its data directory: a pilot of the same name in another one is another pilot. */
  readonly instance: string;
}

/** What the pilot hears. */
export interface PilotNews extends Hearing {
  /** The connection broke: what was announced may be out of date. */
  onAway(): void;
  /** `actsUntilMs` and `killAtMs` have moved. */
  onRenewed(): void;
  /** Nobody confirmed the lease for so long that it has ended. Resolves when nothing of its session runs any more. */
  onSilence(): Promise<void>;
  /** Another session has it. */
  onFenced(reason: string): void;
  /** Whether nothing of it is unsettled, so that the lease may be given back. */
  isIdle(): boolean;
}

export interface PilotLinkOptions {
  readonly road: PilotRoad;
  readonly name: string;
  readonly body: PilotBody;
  /** How long what it runs gets to end by itself. */
  readonly graceSeconds: number;
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class PilotLink {
  private readonly options: PilotLinkOptions;
  private readonly stopping = new AbortController();
  private holder: LeaseHolder<PeerGrant> | undefined;
  /** Resolves once a session was attached for the first time: before, whatever is told is nobody's. */
  readonly firstAttached: Promise<void>;
  private noteFirst = (): void => undefined;
  private session: string = randomUUID();
  private lastAttached = '';
  private reason: string | undefined;
  private until = Number.NEGATIVE_INFINITY;
  private killAt = Number.NEGATIVE_INFINITY;
  private running: Promise<void> | undefined;

  constructor(options: PilotLinkOptions) {
    this.options = options;
    this.firstAttached = new Promise((resolve) => {
      this.noteFirst = resolve;
    });
  }

  start(news: PilotNews): void {
    this.running ??= this.run(news);
  }

  /** Gives the lease back where the node can be reached and nothing is unsettled. */
  async stop(reason: string): Promise<void> {
    this.stopping.abort();
    await this.holder?.stop(reason);
    await this.running;
  }

  /** The one that was attached last: what is told is told in its name. */
  get attachedSession(): string {
    return this.lastAttached;
  }

  get attached(): boolean {
    return this.holder?.grant !== undefined;
  }

  /** Why it is not attached. */
  get awayReason(): string | undefined {
    return this.reason;
  }

  mayAct(): boolean {
    return this.holder?.mayAct() ?? false;
  }

  /** Milliseconds since boot; -Infinity before the first confirmation. */
  get actsUntilMs(): number {
    return this.until;
  }

  /** When what is left of it is killed, half of the margin before others may begin: a grace is no longer than that. As above. */
  get killAtMs(): number {
    return this.killAt;
  }

  private async run(news: PilotNews): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const how = await this.hold(news);
      if (signal.aborted || how === 'fenced') return;
      await Promise.race([news.onSilence(), untilAborted(signal)]);
      this.session = randomUUID();
    }
  }

  /** One session, to its end. */
  private async hold(news: PilotNews): Promise<'fenced' | 'silence' | 'stopped'> {
    const { clock, logger } = this.options;
    let how: 'fenced' | 'silence' | 'stopped' = 'stopped';
    const holder = new LeaseHolder<PeerGrant>({
      calls: this.calls(news),
      clock,
      servedReason: 'the node ended the stream of work',
      hooks: {
        attached: () => {
          this.reason = undefined;
          this.lastAttached = this.session;
          this.noteFirst();
          logger.info({ session: this.session }, 'the pilot has its lease');
        },
        serve: (grant, signal) => this.serve(grant, news, signal),
        away: (reason, wasAttached) => {
          if (wasAttached) logger.warn({ reason }, 'the node is away; what runs goes on');
          else if (reason !== this.reason)
            logger.warn({ reason }, 'the node can not be reached, or does not take this pilot; trying again');
          this.reason = reason;
          news.onAway();
        },
        renewed: (untilMs, givenUpMs) => {
          this.until = untilMs;
          this.killAt = (untilMs + givenUpMs) / 2;
          news.onRenewed();
        },
        fenced: (reason) => {
          how = 'fenced';
          news.onFenced(reason);
        },
        end: () => {
          how = 'silence';
          logger.error('nobody has confirmed the lease of this pilot for so long that what runs is ended');
        },
      },
    });
    this.holder = holder;
    holder.start();
    await holder.ended();
    return how;
  }

  private calls(news: PilotNews) {
    const { road, name, body, version, graceSeconds } = this.options;
    const who = {
      ...{ category: PILOT_CATEGORY, peer_id: name, session_id: this.session },
      ...{ protocol_min: PROTOCOL, protocol_max: PROTOCOL },
      ...{ host: hostname(), pid: process.pid, version, body: JSON.stringify(body) },
    };
    const calls = road.lease(who, news);
    return {
      attach: async (withinMs: number) => withRoomFor(graceSeconds, await calls.attach(withinMs)),
      beat: async (grant: PeerGrant, withinMs: number) =>
        withRoomFor(graceSeconds, await calls.beat(grant, withinMs)),
      leave: async (grant: PeerGrant, reason: string) => {
        if (news.isIdle()) await calls.leave(grant, reason);
      },
    };
  }

  private async serve({ leaseSeconds }: PeerGrant, news: PilotNews, signal: AbortSignal): Promise<void> {
    const { road, name } = this.options;
    const hearing: Hearing = {
      sample: () => news.sample(),
      tell: (told) => news.tell(told),
      room: () => news.room(),
      onWork: (work, over) => {
        this.holder?.isWell();
        news.onWork(work, over);
      },
    };
    const beatMs = (leaseSeconds * 1000) / BEATS_IN_A_LEASE;
    await road.serve({ pilot: name, sessionId: this.session }, beatMs, hearing, signal);
  }
}
