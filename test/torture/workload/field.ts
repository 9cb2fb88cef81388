/** What the peers of a round of workload share: where the node is, what they were told, and whether there is still new work. */

import { setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { OwlError } from '../../../src/base/errors.js';
import { localCredentials } from '../../support/local-credentials.js';
import { AnyClient } from '../../systems/workload/support/clients.js';
import type { Violations } from '../checker/violations.js';
import type { Dice } from '../dice.js';
import type { Counts, Journal } from '../journal.js';

export type Answer = Readonly<Record<string, unknown>>;

const PAUSE_MS = 150;
const DEADLINE_MS = 3_000;
/** It passes by itself: sent again unchanged, the call may succeed. */
const TRANSIENT: ReadonlySet<string> = new Set(['conflict', 'retryable', 'unavailable']);

export interface FieldOptions {
  /** HOST:PORT */
  readonly server: string;
  /** Of the node, for its local token. */
  readonly data: string;
  readonly journal: Journal;
  readonly violations: Violations;
}

export class Field {
  readonly options: FieldOptions;
  readonly violations: Violations;
  readonly counts: Counts = { commands: 0, acknowledged: 0, refused: 0, unknown: 0, sent: 0 };
  /** Nothing new is begun; what is under way is brought to its end. */
  readonly closing = new AbortController();
  /** Everybody goes, whatever waits for an answer. */
  readonly over = new AbortController();
  private readonly client: AnyClient;

  constructor(options: FieldOptions) {
    setMaxListeners(0, this.closing.signal, this.over.signal);
    this.options = options;
    this.violations = options.violations;
    this.client = new AnyClient(this.reaching());
  }

  /** What a client needs to reach the node. */
  reaching() {
    const { server, data } = this.options;
    return { server, deadlineMs: DEADLINE_MS, credentials: localCredentials(data) };
  }

  get isOpen(): boolean {
    return !this.closing.signal.aborted && !this.isOver;
  }

  get isOver(): boolean {
    return this.over.signal.aborted;
  }

  /** Until there is an answer that is final. @throws OwlError a refusal; undefined when the round was over before */
  async insist(service: string, method: string, request: object): Promise<Answer | undefined> {
    while (!this.isOver) {
      this.counts.sent += 1;
      try {
        return await this.client.call(service, method, request);
      } catch (error) {
        if (!isTransient(error)) throw error;
        await this.rest(PAUSE_MS);
      }
    }
    return undefined;
  }

  /**
   * An order under one command id, sent as often as the dice say, at once or one after another; all must be answered alike.
   * @returns undefined when it was refused, or the round was over before
   */
  async order(dice: Dice, service: string, method: string, request: object): Promise<Answer | undefined> {
    const command_id = dice.uuid();
    const { journal } = this.options;
    this.counts.commands += 1;
    journal.note({ order: method, command_id, request });
    const ask = () =>
      this.insist(service, method, { ...request, command_id }).catch((error: unknown) => {
        if (error instanceof OwlError) return error;
        throw error;
      });
    const answers = await Promise.all(Array.from({ length: dice.whole(1, 2) }, ask));
    if (dice.chance(0.3)) answers.push(await ask());
    const refusals = answers.filter((answer) => answer instanceof OwlError);
    const accepted = answers.flatMap((one) => (one === undefined || one instanceof OwlError ? [] : [one]));
    const [first] = accepted;
    journal.note({ answered: command_id, accepted: accepted.length, refused: refusals.map(String) });
    if (this.isOver) this.counts.unknown += 1;
    else if (first === undefined) this.counts.refused += 1;
    else this.counts.acknowledged += 1;
    if (first !== undefined && refusals.length > 0 && !this.isOver)
      this.violations.add(
        'answered-alike',
        command_id,
        `${method} was accepted, and: ${String(refusals[0])}`,
      );
    for (const name of ['uid', 'first_idx', 'added'])
      if (new Set(accepted.map((answer) => String(answer[name]))).size > 1)
        this.violations.add(
          'answered-alike',
          command_id,
          `${method} was answered with more than one ${name}`,
        );
    return first;
  }

  /** Ends early when the round is over. */
  async rest(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.over.signal }).catch(() => undefined);
  }

  end(): void {
    this.over.abort();
    this.client.close();
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof OwlError && TRANSIENT.has(error.kind);
}
