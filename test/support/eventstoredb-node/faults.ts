/**
 * Part of a test double of EventStoreDB: what can go wrong with it, as switches. Each says what the node does from then
 * on; those with a number do it so many times.
 */

import { once } from 'node:events';
import { status as GrpcStatus, type Metadata } from '@grpc/grpc-js';
import { accessDenied, type Refusal, refusal, serverBusy } from './refusals.js';

export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** What becomes of the answer to an append that was carried out. */
export type AnswerFault = 'none' | 'dropConnection' | 'timeout';

export class Faults {
  /** Another node leads, or none that this one knows of: what requires the leader is refused. */
  leader: NodeAddress | 'unknown' | 'here' = 'here';
  /** So many calls are refused because the server's queue is full. */
  busyCalls = 0;
  /** So many appends are stored and never answered: the connection drops instead. */
  lostAnswers = 0;
  /** So many appends are stored, and answered with a timeout. */
  timeouts = 0;
  /** Milliseconds that every answer takes. */
  delayMs = 0;
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
  refuse(headers: Metadata): Refusal | undefined {
    if (this.busyCalls > 0) {
      this.busyCalls -= 1;
      return serverBusy();
    }
    if (this.leader === 'here' || headers.get('requires-leader')[0] !== 'true') return undefined;
    if (this.leader === 'unknown') {
      return refusal(GrpcStatus.UNKNOWN, 'No leader info available in response');
    }
    return refusal(GrpcStatus.NOT_FOUND, 'Leader info available', {
      exception: 'not-leader',
      'leader-endpoint-host': this.leader.host,
      'leader-endpoint-port': String(this.leader.port),
    });
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
