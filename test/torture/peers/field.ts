/** What the simulated peers of a run share: its tasks, its journal, and whether there is still new work. */

import { setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { PlotTaskStatus } from '../../../src/systems/talent/wire/messages.js';
import type { Violations } from '../checker/violations.js';
import type { Dice } from '../dice.js';
import type { Journal } from '../journal.js';
import { Calls, isTransient } from './calls.js';

export interface SimulatedWorker {
  readonly workerId: string;
  /** Of its tasks; nobody else's. */
  readonly cache: string;
  /** It holds a lease and gets its work pushed; otherwise it polls as those of old do. */
  readonly attaches: boolean;
  /** What it reports with; undefined: nobody asks. */
  readonly reportKey: string | undefined;
}

export interface KnownTask {
  readonly id: string;
  readonly worker: SimulatedWorker;
  /** As far as this side knows. */
  attempt: number;
}

/** Between two tries. */
const PAUSE_MS = 200;

export class Field {
  readonly address: string;
  readonly journal: Journal;
  readonly violations: Violations;
  readonly dice: Dice;
  readonly workers: readonly SimulatedWorker[];
  readonly tasks: KnownTask[] = [];
  /** Attempts that plotters are said to be at work on. */
  atWork = 0;
  /** Attempts that are just being begun. */
  private beginning = 0;
  /** Nothing new is begun; what is under way is brought to its end. */
  readonly closing = new AbortController();
  /** Everybody goes, whatever waits for an answer. */
  readonly over = new AbortController();

  constructor(options: Pick<Field, 'address' | 'journal' | 'violations' | 'dice' | 'workers'>) {
    // Everybody waits for them.
    setMaxListeners(0, this.closing.signal, this.over.signal);
    this.address = options.address;
    this.journal = options.journal;
    this.violations = options.violations;
    this.dice = options.dice;
    this.workers = options.workers;
  }

  get isOpen(): boolean {
    return !this.closing.signal.aborted && !this.isOver;
  }

  get isOver(): boolean {
    return this.over.signal.aborted;
  }

  calls(): Calls {
    return new Calls(this.address);
  }

  get isBeginning(): boolean {
    return this.beginning > 0;
  }

  /** Begins an attempt, unless nothing new is to be begun. */
  async begin(beginning: () => Promise<void>): Promise<void> {
    if (!this.isOpen) return;
    this.beginning += 1;
    try {
      await beginning();
    } finally {
      this.beginning -= 1;
    }
  }

  /** Insists until there is an answer that is final. @returns undefined when the run was over before; rejects with what is no outage */
  async insist(calls: Calls, method: string, request: object): Promise<object | undefined> {
    while (!this.isOver) {
      this.journal.sent += 1;
      try {
        return await calls.ask(method, request);
      } catch (error) {
        if (!isTransient(error)) throw error;
        await this.rest(PAUSE_MS);
      }
    }
    return undefined;
  }

  /** Notes what somebody was shown of a task, if it is one whose history is to be trusted. */
  show(task: PlotTaskStatus): void {
    const { task_id: id, revision = 0, status, attempt = 1, plot_details: { progress = 0 } = {} } = task;
    if (id === undefined || status === undefined || task.problem !== undefined) return;
    this.journal.show({ task: id, revision, status, attempt, progress });
  }

  /** Ends early when the run is over. */
  async rest(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.over.signal }).catch(() => undefined);
  }

  /** Ends early when nothing new is to be begun. */
  async wait(ms: number): Promise<void> {
    const signal = AbortSignal.any([this.over.signal, this.closing.signal]);
    await pause(ms, undefined, { signal }).catch(() => undefined);
  }
}
