/** Who looks on during a run: follows the tasks of one worker, asks for pages and histories, and notes what was shown. */

import type { PlotTaskChange, PlotTaskListResponse } from '../../../src/systems/talent/wire/messages.js';
import type { Dice } from '../dice.js';
import type { Calls } from './calls.js';
import { isTransient } from './calls.js';
import type { Field, SimulatedWorker } from './field.js';

const LOOKS_EVERY_MS = 200;
/** One of so many changes is noted. */
const NOTED = 0.1;

export class Auditor {
  private readonly field: Field;
  private readonly worker: SimulatedWorker;
  private readonly calls: Calls;
  private readonly dice: Dice;

  constructor(field: Field, worker: SimulatedWorker) {
    this.field = field;
    this.worker = worker;
    this.calls = field.calls();
    this.dice = field.dice.apart();
  }

  async run(): Promise<void> {
    const watching = this.watch();
    while (!this.field.isOver) {
      await this.lookAtAPage();
      await this.field.rest(LOOKS_EVERY_MS);
    }
    await watching;
    this.calls.close();
  }

  private async watch(): Promise<void> {
    const { field, worker } = this;
    while (!field.isOver) {
      const stream = this.calls.follow('plot_task_watch', { worker_id: worker.workerId });
      const end = () => stream.cancel();
      field.over.signal.addEventListener('abort', end, { once: true });
      try {
        for await (const message of stream) {
          const { task }: PlotTaskChange = message;
          if (task !== undefined && this.dice.chance(NOTED)) field.show(task);
        }
      } catch {
        // The stream broke; it is followed again.
      } finally {
        field.over.signal.removeEventListener('abort', end);
      }
      await field.rest(50);
    }
  }

  private async lookAtAPage(): Promise<void> {
    const request = { page_size: this.dice.whole(1, 50), newest_first: this.dice.chance(0.8) };
    try {
      const { tasks = [] }: PlotTaskListResponse = await this.calls.ask('plot_task_list', request);
      for (const task of tasks) this.field.show(task);
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
  }
}
