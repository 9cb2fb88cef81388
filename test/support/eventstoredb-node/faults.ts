/**
 * Part of a test double of EventStoreDB: what can go wrong with it, as switches. Each says what the node does from then
 * on; those with a number do it so many times.
 */

import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { status as GrpcStatus, type Metadata } from '@grpc/grpc-js';
import { accessDenied, type Refusal, refusal, serverBusy, serverNotReady } from './refusals.js';

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** What becomes of the answer to an append that was carried out. */
export type AnswerFault = 'none' | 'dropConnection' | 'timeout';

/**
 * Who leads, as a node sees it: `here`, or another one. `electing` is a node that knows of no leader, starts or stops, and
 * is ready for nothing; `preparing` is one that is about to lead, or no longer does, and answers reads only. `unknown` is
 * a node that answers for another one without saying for which.
 */
export type Leadership = NodeAddress | 'here' | 'electing' | 'preparing' | 'unknown';

export class Faults {
  /** Unless it is here, what requires the leader is refused. */
  leader: Leadership = 'here';
  /** Streams that nobody may read. */
  readonly forbidden = new Set<string>();
  /** So many calls are refused because the server's queue is full. */
  busyCalls = 0;
  /** So many appends are stored and never answered: the connection drops instead. */
  lostAnswers = 0;
  /** So many appends are stored, and answered with a timeout. */
  timeouts = 0;
  /** Milliseconds that every answer takes. */
  delayMs = 0;
  /** Milliseconds that a search takes: a read of $all, backwards or forwards, with a filter. */
  searchMs = 0;
  /** Searches so far, and how many of them were under way at once at the most. */
  searches = 0;
  mostSearches = 0;
  private searching = 0;
  /** Subscriptions that began at a lower number are given nothing. */
  stalled = 0;
  /** After so many answers the connections drop. */
  private answersLeft: number | undefined;
  private silenced: (() => void)[] | undefined;
  private hold: { readonly from: bigint; readonly lifted: AbortController } | undefined;
  private readonly dropConnections: () => void;

  constructor(dropConnections: () => void) {
    this.dropConnections = dropConnections;
  }

  /** Drops every connection now. */
  drop(): void {
    this.dropConnections();
  }

  dropAfter(answers: number): void {
    this.answersLeft = answers;
  }

  /** From now on, the subscriptions that are there are given nothing more, as if the server had forgotten them. */
  stallSubscriptions(): void {
    this.stalled += 1;
  }

  /** Gives no subscription what stands at this position or behind it, until `releaseSubscriptions`. All else is answered. */
  holdSubscriptions(from: bigint): void {
    this.releaseSubscriptions();
    this.hold = { from, lifted: new AbortController() };
  }

  releaseSubscriptions(): void {
    this.hold?.lifted.abort();
    this.hold = undefined;
  }

  /** Takes as long as a search does; an abort ends it. */
  async search(signal: AbortSignal): Promise<void> {
    this.searches += 1;
    this.searching += 1;
    this.mostSearches = Math.max(this.mostSearches, this.searching);
    if (this.searchMs > 0) await pause(this.searchMs, undefined, { signal }).catch(() => undefined);
    this.searching -= 1;
  }

  /** Waits while what stands at the position is held back; an abort ends that. */
  async untilReleased(position: bigint, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.hold !== undefined && position >= this.hold.from) {
      await once(AbortSignal.any([signal, this.hold.lifted.signal]), 'abort');
    }
  }

  /** Takes calls and carries them out, but answers nothing until `speak`. */
  fallSilent(): void {
    this.silenced ??= [];
  }

  /** Gives the answers that were held back, and answers again. */
  speak(): void {
    const held = this.silenced ?? [];
    this.silenced = undefined;
    for (const answer of held) answer();
  }

  /** Why a call is refused before it is carried out. */
  refuse(headers: Metadata, call: 'read' | 'change'): Refusal | undefined {
    if (this.busyCalls > 0) {
      this.busyCalls -= 1;
      return serverBusy();
    }
    if (headers.get('requires-leader')[0] !== 'true') return undefined;
    switch (this.leader) {
      case 'here':
        return undefined;
      case 'electing':
        return serverNotReady();
      case 'preparing':
        return call === 'read' ? undefined : serverNotReady();
      case 'unknown':
        return refusal(GrpcStatus.UNKNOWN, 'No leader info available in response');
      default:
        return refusal(GrpcStatus.NOT_FOUND, 'Leader info available', {
          exception: 'not-leader',
          'leader-endpoint-host': this.leader.host,
          'leader-endpoint-port': String(this.leader.port),
        });
    }
  }

  ofNextAppend(): AnswerFault {
    if (this.lostAnswers > 0) {
      this.lostAnswers -= 1;
      return 'dropConnection';
    }
    if (this.timeouts > 0) {
      this.timeouts -= 1;
      return 'timeout';
    }
    return 'none';
  }

  /** Sends an answer, or what becomes of it. Resolves when it is sent or held back. */
  async answer(send: () => void): Promise<void> {
    if (this.silenced !== undefined) {
      this.silenced.push(send);
      return;
    }
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    send();
    if (this.answersLeft === undefined) return;
    this.answersLeft -= 1;
    if (this.answersLeft > 0) return;
    this.answersLeft = undefined;
    this.drop();
  }
}

export interface Users {
  readonly user: string;
  readonly password: string;
}

/** Refuses whoever doesn't give the right user and password. */
export function authenticate(users: Users | undefined, headers: Metadata): Refusal | undefined {
  if (users === undefined) return undefined;
  const expected = `Basic ${Buffer.from(`${users.user}:${users.password}`).toString('base64')}`;
  return headers.get('authorization')[0] === expected ? undefined : accessDenied();
}
