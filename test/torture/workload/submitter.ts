/**
 * Somebody who registers datasets, lets them grow while tasks read them already, submits maps and merges, holds, cancels, finishes and
 * retries them, cancels datasets, and sends each order more than once. Guarantee: what it began is complete when `run` resolves: every
 * dataset is sealed or cancelled, and nothing is held.
 */

import type { Dice } from '../dice.js';
import type { Field } from './field.js';

const CHECK_SUM = '0cc175b9c0f1b6a831c399e269772661';

export interface Ordered {
  /** Uids that were acknowledged. */
  readonly tasks: Set<string>;
  /** Files that were acknowledged, by the uid of their dataset. */
  readonly datasets: Map<string, number>;
}

export class Submitter {
  readonly ordered: Ordered = { tasks: new Set(), datasets: new Map() };
  private readonly field: Field;
  private readonly dice: Dice;

  constructor(field: Field, dice: Dice) {
    this.field = field;
    this.dice = dice;
  }

  async run(): Promise<void> {
    while (this.field.isOpen) await this.once();
  }

  private async once(): Promise<void> {
    const { dice, field } = this;
    const uid = dice.uuid();
    const datasets = [{ uid, name: `input ${uid}`, storage_url: 'file:///torture/in' }];
    await this.order('DatasetManager', 'dataset_register', { datasets });
    this.ordered.datasets.set(uid, 0);
    await this.grow(uid);
    const tasks: string[] = [];
    for (let left = dice.whole(1, 2); left > 0; left--) tasks.push(...(await this.submit(uid)));
    for (let left = dice.whole(0, 2); left > 0; left--) {
      await field.rest(dice.whole(0, 500));
      await this.grow(uid);
    }
    const ending = dice.chance(0.1) ? 'dataset_cancel' : 'dataset_close';
    const seal = this.order('DatasetManager', ending, { uid });
    for (const task of tasks) await this.meddle(task);
    await seal;
    await field.rest(dice.whole(50, 500));
  }

  private async grow(uid: string): Promise<void> {
    const files = Array.from({ length: this.dice.whole(1, 8) }, () => ({
      file_name: `${this.dice.name()}.txt`,
      ...{ size: 1, check_sum: CHECK_SUM },
    }));
    const added = await this.order('DatasetManager', 'dataset_add', { uid, files });
    const known = this.ordered.datasets.get(uid) ?? 0;
    if (added !== undefined) this.ordered.datasets.set(uid, known + files.length);
  }

  /** @returns the uid of what was taken */
  private async submit(data_in_uid: string): Promise<string[]> {
    const { dice } = this;
    const merges = dice.chance(0.35);
    const uid = dice.uuid();
    const task = await this.order('TaskManager', 'task_submit', {
      ...{ uid, name: `task ${uid}`, data_in_uid, data_out_url: 'file:///torture/out' },
      executable: merges ? 'join' : dice.pick(['copy', 'count']),
      mode: merges ? 'merge' : 'map',
      device_type: dice.chance(0.8) ? 'cpu' : 'gpu',
      rank: dice.whole(0, 5),
      retries: dice.whole(0, 1),
      files_per_job: merges ? dice.whole(2, 5) : dice.whole(1, 3),
      max_failed_jobs: dice.chance(0.5) ? 100 : 0,
      require_complete: dice.chance(0.3),
      until_one: merges && dice.chance(0.6),
    });
    if (task === undefined) return [];
    this.ordered.tasks.add(uid);
    return [uid];
  }

  private async meddle(id: string): Promise<void> {
    const { dice, field } = this;
    const ask = (method: string) => this.order('TaskManager', method, { id, reason: 'as the dice have it' });
    if (!dice.chance(0.5)) return;
    await field.rest(dice.whole(0, 800));
    const what = dice.pick(['hold', 'cancel', 'finish', 'retry', 'rank']);
    if (what === 'rank') await this.order('TaskManager', 'task_rank', { id, rank: dice.whole(0, 9) });
    else await ask(`task_${what}`);
    if (what !== 'hold') return;
    await field.rest(dice.whole(0, 800));
    await ask('task_release');
  }

  private order(service: string, method: string, request: object) {
    return this.field.order(this.dice, service, method, request);
  }
}
