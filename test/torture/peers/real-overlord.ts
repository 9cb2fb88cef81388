/** Orders plots that real processes make, stops some of them, and at the end waits until each has come to its own. */

import type { PlotTaskStatus, PlotTaskStatusResponse } from '../../../src/systems/talent/wire/messages.js';
import type { OrderName } from '../checker/told.js';
import type { Dice } from '../dice.js';
import { type Place, REAL_WORKER } from '../world/place.js';
import type { Calls } from './calls.js';
import type { Field } from './field.js';

const MOST_AT_WORK = 3;
const LOOKS_EVERY_MS = 250;
const FINAL = new Set(['stopped', 'failed', 'finished']);

export class RealOverlord {
  private readonly field: Field;
  private readonly place: Place;
  private readonly calls: Calls;
  private readonly dice: Dice;
  private living: string[] = [];

  constructor(field: Field, place: Place) {
    this.field = field;
    this.place = place;
    this.calls = field.calls();
    this.dice = field.dice.apart();
  }

  async run(): Promise<void> {
    const { field, dice } = this;
    while (field.isOpen) {
      await this.look();
      if (this.living.length < MOST_AT_WORK) await this.create();
      else if (dice.chance(0.1)) await this.order('stop', dice.pick(this.living));
      await field.wait(LOOKS_EVERY_MS);
    }
    await this.look();
    for (const task of this.living) await this.order('stop', task);
    while (this.living.length > 0 && !field.isOver) {
      await this.look();
      await field.rest(LOOKS_EVERY_MS);
    }
    this.calls.close();
  }

  private async create(): Promise<void> {
    const task = `real-${this.dice.name()}`;
    const { cache, plots } = this.place;
    const accepted = await this.order('create', task, {
      worker_id: REAL_WORKER,
      plot_config: { ksize: 18, threads: 2, buffer: 64, cache1: cache, dest: { type: 'local', path: plots } },
    });
    if (accepted) this.living.push(task);
  }

  private async order(name: OrderName, task: string, more: object = {}): Promise<boolean> {
    const { field } = this;
    const commandId = `${name}-${this.dice.name()}`;
    field.journal.order(commandId, name, task);
    const answer: PlotTaskStatusResponse =
      (await field.insist(this.calls, `plot_task_${name}`, {
        task_id: task,
        command_id: commandId,
        ...more,
      })) ?? {};
    if (answer.is_success === true) field.journal.orderAccepted(commandId, answer.revision ?? 0);
    else if (answer.type !== undefined) field.journal.orderRefused(commandId, answer.msg ?? '');
    return answer.is_success === true;
  }

  /** Forgets those that have come to their end. */
  private async look(): Promise<void> {
    const { field } = this;
    const living: string[] = [];
    for (const task of this.living) {
      const shown: PlotTaskStatus =
        (await field.insist(this.calls, 'plot_task_status', { task_id: task })) ?? {};
      field.show(shown);
      if (!FINAL.has(shown.status ?? '')) living.push(task);
    }
    this.living = living;
  }
}
