/**
 * A simulated overlord: orders plots, stops and retries them, each order under a command id, and insists until it is answered. It
 * sends some several times at once, some again much later, and uses some ids for two orders, of which the second must be refused.
 */

import type { PlotTaskStatus, PlotTaskStatusResponse } from '../../../src/systems/talent/wire/messages.js';
import type { OrderName } from '../checker/told.js';
import type { Dice } from '../dice.js';
import type { Calls } from './calls.js';
import type { Field, KnownTask } from './field.js';

/** Tasks that may wait or be at work at once. */
const MOST_AT_WORK = 300;
const LATE_ORDERS_KEPT = 50;

interface Order {
  readonly name: OrderName;
  readonly commandId: string;
  readonly task: KnownTask;
  readonly request: object;
}

export class Overlord {
  private readonly field: Field;
  private readonly calls: Calls;
  private readonly dice: Dice;
  private readonly late: Order[] = [];

  constructor(field: Field) {
    this.field = field;
    this.calls = field.calls();
    this.dice = field.dice.apart();
  }

  async run(): Promise<void> {
    const { field, dice } = this;
    while (field.isOpen) {
      if (dice.chance(0.12)) await this.sendLate();
      else if (dice.chance(0.05)) await this.abuseAnId();
      else await this.orderSomething();
    }
    // What comes late comes also when nobody orders any more.
    while (this.late.length > 0 && !field.isOver) await this.sendLate();
    this.calls.close();
  }

  private async orderSomething(): Promise<void> {
    const { field, dice } = this;
    if (field.tasks.length === 0 || dice.chance(0.5)) {
      if (field.atWork > MOST_AT_WORK) await field.wait(20);
      else await this.give(this.creation());
      return;
    }
    // Old tasks as well, but mostly those that are still alive.
    const newest = Math.max(0, field.tasks.length - MOST_AT_WORK);
    const task = field.tasks[dice.whole(dice.chance(0.2) ? 0 : newest, field.tasks.length - 1)];
    if (task !== undefined) await this.give(this.orderFor(task, dice.chance(0.3) ? 'stop' : 'retry'));
  }

  private creation(): Order {
    const worker = this.dice.pick(this.field.workers);
    const task = { id: `sim-${this.dice.name()}`, worker, attempt: 1 };
    return this.orderFor(task, 'create', {
      worker_id: worker.workerId,
      plot_config: {
        ksize: this.dice.pick([25, 32, 33]),
        threads: this.dice.whole(1, 8),
        buffer: 4096,
        cache1: worker.cache,
        dest: { type: this.dice.pick(['local', 'nfs']), path: '/farm/1' },
        ...(this.dice.chance(0.3) ? { fpk: this.dice.name().repeat(3) } : {}),
      },
    });
  }

  private orderFor(task: KnownTask, name: OrderName, more: object = {}): Order {
    const commandId = this.dice.chance(0.5) ? `${name}-${this.dice.name()}` : this.dice.uuid();
    const reason =
      name !== 'create' && this.dice.chance(0.5) ? { reason: `because ${this.dice.whole(1, 9)}` } : {};
    return {
      name,
      commandId,
      task,
      request: { task_id: task.id, command_id: commandId, ...reason, ...more },
    };
  }

  private async give(order: Order): Promise<void> {
    const { field, dice } = this;
    const times = dice.chance(0.1) ? dice.whole(2, 3) : 1;
    field.journal.order(order.commandId, order.name, order.task.id, times);
    const answers = await Promise.all(Array.from({ length: times }, () => this.send(order)));
    const accepted = answers.find((revision) => revision !== undefined);
    if (accepted === undefined) return;
    if (order.name === 'create') field.tasks.push(order.task);
    if (dice.chance(0.2) && this.late.length < LATE_ORDERS_KEPT) this.late.push(order);
    if (dice.chance(0.2)) await this.lookAt(order.task, accepted);
  }

  /** The revision it was accepted at. */
  private async send({ name, commandId, request }: Order): Promise<number | undefined> {
    const { journal } = this.field;
    const answer: PlotTaskStatusResponse | undefined = await this.field.insist(
      this.calls,
      `plot_task_${name}`,
      request,
    );
    if (answer === undefined) return undefined;
    const { is_success = false, revision = 0, msg = '' } = answer;
    if (is_success) journal.orderAccepted(commandId, revision);
    else journal.orderRefused(commandId, msg);
    return is_success ? revision : undefined;
  }

  private async sendLate(): Promise<void> {
    const { dice, late } = this;
    if (late.length === 0) return;
    const [order] = late.splice(dice.whole(0, late.length - 1), 1);
    if (order === undefined || (await this.send(order)) !== undefined || this.field.isOver) return;
    if (this.field.journal.poisoned.has(`plot_task-${order.task.id}`)) return;
    this.field.violations.add(
      'answered-alike',
      order.commandId,
      'accepted, and refused when it was sent again',
    );
  }

  /** Another order under the id of one that was accepted. */
  private async abuseAnId(): Promise<void> {
    const { late, dice, field } = this;
    if (late.length === 0) return;
    const { name, commandId, task } = dice.pick(late);
    const other = name === 'stop' ? 'retry' : 'stop';
    const request = { task_id: task.id, command_id: commandId };
    const answer: PlotTaskStatusResponse | undefined = await field.insist(
      this.calls,
      `plot_task_${other}`,
      request,
    );
    const told = `a ${other} under the id of a ${name}`;
    if (answer === undefined) return;
    if (answer.is_success === true) field.violations.add('answered-alike', commandId, `${told} was accepted`);
    else if (!(answer.msg ?? '').startsWith(`command ${commandId} was `))
      field.violations.add(
        'answered-alike',
        commandId,
        `${told} was refused for another reason: ${answer.msg}`,
      );
  }

  /** A query shows at least what was acknowledged before. */
  private async lookAt(task: KnownTask, revision: number): Promise<void> {
    const { field } = this;
    const shown: PlotTaskStatus | undefined = await field.insist(this.calls, 'plot_task_status', {
      task_id: task.id,
    });
    if (shown === undefined) return;
    field.show(shown);
    if ((shown.revision ?? 0) < revision)
      field.violations.add(
        'readers-agree',
        task.id,
        `acknowledged at revision ${revision}, and shown afterwards at ${shown.revision ?? 'none'}`,
      );
  }
}
