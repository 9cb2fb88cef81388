/**
 * The commands of one event, sent in bounded parallel.
 *
 * Guarantees: no more than `atOnce` are under way or in memory, however many there are, and beyond the first no more than are spare:
 * one can always be sent; of those to one target each goes out
 * only after the one before it was settled, so their order is kept, and what stands behind a failed one waits for it; a command
 * that fails keeps none to another target from being sent, unless it is the store that is away; what was settled is not sent
 * again with the same `Progress`; when this ends, in whatever way, nothing is under way any more. Everything else has its turn
 * in between, also where the commands change nothing and so wait for no disk.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { StoreUnavailableError } from '../../base/errors.js';
import type { Progress } from './progress.js';
import type { ReactorCommand, ReactorCommands } from './reactor.js';
import type { SpareCommands } from './reactor-limits.js';

/** Some 10 ms of work, where nothing is waited for. */
const BEGUN_IN_A_TURN = 64;

export interface SendingOptions {
  /** Commands under way at the same time. */
  readonly atOnce: number;
  readonly spare: SpareCommands;
  readonly progress: Progress;
  /** So many may fail before no more are begun. */
  readonly mostFailed: number;
  /** Throws when nothing is to be sent any more. */
  readonly check: () => void;
  /** Resolves once the command is settled. */
  readonly send: (command: ReactorCommand, index: number) => Promise<void>;
  /** Hears of each command that was settled. */
  readonly settled: () => void;
}

/** @throws the first failure of a command, or what the commands or the check threw */
export async function sendAll(commands: ReactorCommands, options: SendingOptions): Promise<void> {
  await new CommandSending(options).run(commands);
}

class CommandSending {
  private readonly options: SendingOptions;
  /** Of each target the newest command that is under way or has failed; resolves to whether the next one may follow. */
  private readonly targets = new Map<string, Promise<boolean>>();
  private underWay = 0;
  private failed = 0;
  private failure: { readonly error: unknown } | undefined;
  private outage: { readonly error: unknown } | undefined;
  private wake: () => void = () => undefined;

  constructor(options: SendingOptions) {
    this.options = options;
  }

  async run(commands: ReactorCommands): Promise<void> {
    try {
      await this.begin(commands);
    } finally {
      while (this.underWay > 0) await this.oneEnded();
    }
    const failed = this.outage ?? this.failure;
    if (failed !== undefined) throw failed.error;
  }

  private async begin(commands: ReactorCommands): Promise<void> {
    const { progress, mostFailed, check } = this.options;
    let index = 0;
    let begun = 0;
    for await (const command of commands) {
      const own = index++;
      if (!progress.take(own)) continue;
      if (begun > 0 && begun % BEGUN_IN_A_TURN === 0) await nextTurn();
      begun += 1;
      while (!this.mayBegin()) await this.oneEnded();
      check();
      if (this.outage !== undefined) return;
      void this.settle(command, own);
      if (this.failed >= mostFailed) return;
    }
  }

  private mayBegin(): boolean {
    const { atOnce, spare } = this.options;
    return this.underWay === 0 || (this.underWay < atOnce && spare.areThere);
  }

  private async settle(command: ReactorCommand, index: number): Promise<void> {
    const { targets } = this;
    const { spare } = this.options;
    const target = `${command.type.category}-${command.id}`;
    if (this.underWay > 0) spare.take();
    this.underWay += 1;
    const before = targets.get(target);
    const done = before === undefined ? this.send(command, index) : this.sendAfter(before, command, index);
    targets.set(target, done);
    if (!(await done)) this.failed += 1;
    else if (targets.get(target) === done) targets.delete(target);
    this.underWay -= 1;
    if (this.underWay > 0) spare.giveBack();
    this.wake();
  }

  private async sendAfter(
    before: Promise<boolean>,
    command: ReactorCommand,
    index: number,
  ): Promise<boolean> {
    return (await before) && this.outage === undefined && this.send(command, index);
  }

  private async send(command: ReactorCommand, index: number): Promise<boolean> {
    const { progress, send, settled } = this.options;
    try {
      await send(command, index);
    } catch (error) {
      if (error instanceof StoreUnavailableError) this.outage ??= { error };
      else this.failure ??= { error };
      return false;
    }
    progress.settle(index);
    settled();
    return true;
  }

  private oneEnded(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }
}
