/**
 * One task whose history nobody can read on, as a faulty disk or a foreign hand leaves it: it is refused from then on, and harms
 * no other.
 */

import type { PlotTaskStatusResponse } from '../../../src/systems/talent/wire/messages.js';
import type { World } from '../world/world.js';
import { codeOf } from './calls.js';
import type { Field } from './field.js';

const TASK = 'poisoned';
const STREAM = `plot_task-${TASK}`;

export class PoisonedTask {
  private readonly world: World;
  private readonly field: Field;
  private isThere = false;

  constructor(world: World, field: Field) {
    this.world = world;
    this.field = field;
  }

  /** Orders it, stops it, and makes its stop unreadable while the node is away. @returns false the second time */
  async poison(): Promise<boolean> {
    if (this.isThere || !this.field.isOpen) return false;
    this.isThere = true;
    await this.order('create', {
      worker_id: 'nobody',
      plot_config: {
        ksize: 32,
        threads: 1,
        buffer: 512,
        cache1: '/nobody',
        dest: { type: 'nfs', path: '/nobody' },
      },
    });
    const revision = await this.order('stop', {});
    const { node, store } = this.world;
    node.beforeNextStart(async () => {
      this.field.journal.poisoned.set(STREAM, await store.poison(STREAM, revision));
    });
    return node.signal('SIGKILL');
  }

  /** Nothing may be decided on what nobody can read. */
  async isRefused(): Promise<void> {
    const { journal, violations } = this.field;
    if (!journal.poisoned.has(STREAM)) return;
    const calls = this.field.calls();
    try {
      const request = { task_id: TASK, command_id: 'retry-of-poison' };
      const answer: PlotTaskStatusResponse =
        (await this.field.insist(calls, 'plot_task_retry', request)) ?? {};
      if (answer.is_success === true)
        violations.add('unreadable', STREAM, 'it was retried, whatever its history says');
    } catch (error) {
      journal.note({ poisonRefused: String(error), code: codeOf(error) });
    } finally {
      calls.close();
    }
  }

  private async order(name: 'create' | 'stop', more: object): Promise<number> {
    const { field } = this;
    const commandId = `${name}-poison`;
    const calls = field.calls();
    try {
      field.journal.order(commandId, name, TASK);
      const request = { task_id: TASK, command_id: commandId, ...more };
      const answer: PlotTaskStatusResponse = (await field.insist(calls, `plot_task_${name}`, request)) ?? {};
      if (answer.is_success !== true) throw new Error(`the task to be poisoned was refused: ${answer.msg}`);
      field.journal.orderAccepted(commandId, answer.revision ?? 0);
      return answer.revision ?? 0;
    } finally {
      calls.close();
    }
  }
}
