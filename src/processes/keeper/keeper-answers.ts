/**
 * Whether a keeper that is there answers. Its owner looks now and then: what counts are looks, so one that was stopped itself, or whose
 * machine slept, finds nobody hanging.
 */

import type { Logger } from 'pino';
import { settlesWithin } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import type { LocalPeer } from '../local-calls.js';

/** An owner that looks once a second has heard nothing for so many looks. */
const HANGS_AFTER_LOOKS = 10;

export interface KeeperAnswersOptions {
  readonly logger: Logger;
  /** For messages. */
  readonly title: string;
  /** Where it may hang. */
  readonly place: string;
  readonly clock: Clock;
  /** How long its first answer is waited for before it counts as one that hangs. Default: for ever. */
  readonly withinMs?: number | undefined;
}

export class KeeperAnswers {
  private readonly options: KeeperAnswersOptions;
  /** Who was asked, and has not answered. */
  private asked: LocalPeer | undefined;
  private looks = 0;

  constructor(options: KeeperAnswersOptions) {
    this.options = options;
  }

  /** @param peer the keeper; undefined while there is none */
  hangs(peer: LocalPeer | undefined): boolean {
    return peer !== undefined && this.asked === peer && this.looks >= HANGS_AFTER_LOOKS;
  }

  /** To be called once a second. What begins and what ends is told once. */
  look(peer: LocalPeer | undefined): void {
    if (peer === undefined) return;
    if (this.asked === peer) this.count(this.looks + 1);
    else this.ask(peer);
  }

  /**
   * Resolves when it has answered for the first time, or hangs.
   * @throws what the answer is rejected with
   */
  async first(peer: LocalPeer, answer: Promise<void>): Promise<void> {
    const { clock, withinMs } = this.options;
    if (withinMs === undefined || (await settlesWithin(clock, withinMs, answer))) return await answer;
    if (this.asked !== peer) this.ask(peer);
    if (!this.hangs(peer)) this.count(HANGS_AFTER_LOOKS);
  }

  private ask(peer: LocalPeer): void {
    this.asked = peer;
    this.looks = 0;
    const answered = (): void => this.noteAnswer(peer);
    peer.call('hello').then(answered, answered);
  }

  private count(looks: number): void {
    this.looks = looks;
    const { logger, title, place } = this.options;
    if (looks === HANGS_AFTER_LOOKS)
      logger.error(`${title} does not answer: was it stopped, or does the disk of ${place} hang?`);
  }

  private noteAnswer(peer: LocalPeer): void {
    if (this.asked !== peer) return;
    if (this.hangs(peer)) this.options.logger.info(`${this.options.title} has answered`);
    this.asked = undefined;
  }
}
