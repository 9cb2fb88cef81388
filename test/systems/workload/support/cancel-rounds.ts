/**
 * Rounds in which a task is cancelled while something else of it happens: it is split, a job of it is claimed, finishes, or is retried.
 * What races with what, and how many turns one is ahead of the other, is drawn from a seed.
 *
 * Guarantee: a round is over when its task has ended, in the store; what it awaits for longer than a test lasts fails it by name.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { workload } from '../../../../projections/workload/workload.js';
import { OwlError } from '../../../../src/base/errors.js';
import { idOf, type RecordedEvent } from '../../../../src/runtime/event-store/event-store.js';
import { retryJob, retryTask } from '../../../../src/systems/workload/service/tasks/task-commands.js';
import { task } from '../../../../src/systems/workload/service/tasks/task-type.js';
import { until } from '../../../support/until.js';
import type { Dice } from '../../../torture/dice.js';
import { ORDER, type TaskNode } from '../service/tasks/task-world.js';
import { type InnerClaim, InnerPilot } from './inner-pilot.js';

export const RACES = ['split', 'claim', 'finish', 'retry'] as const;
export type Race = (typeof RACES)[number];

const ENDS: ReadonlySet<string> = new Set(['TaskCancelled', 'TaskFinished']);
const MOST_TURNS = 12;
const TURNS_OF_A_SPLIT = 60;

/** What nodes have applied of one task. */
class Followed {
  readonly jobs = new Set<string>();
  readonly types = new Set<string>();
}

/** A node, and a pilot that is connected to it. */
export interface Side {
  readonly node: TaskNode;
  readonly pilot: InnerPilot;
}

export async function sideOf(node: TaskNode, name: string): Promise<Side> {
  return { node, pilot: await new InnerPilot(node.context, name).attach() };
}

/** Drawn anew each time; `SEED` replays one. */
export const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Rounds at the same time. */
export const TOGETHER = 16;

/** What follows of itself has followed. */
export async function untilQuiet(node: TaskNode): Promise<void> {
  await until('all that was written is aborted, and discarded', async () => {
    const left = await node.rows(
      `SELECT 1 FROM dsm_datasets WHERE producer_task IS NOT NULL AND status NOT IN ('aborted', 'closed')
       UNION ALL SELECT 1 FROM dsm_datasets WHERE status = 'aborted' AND produces <> 'log' AND files_available > 0
       UNION ALL SELECT 1 FROM dsm_files WHERE status = 'declared'
       LIMIT 1`,
    );
    return left.length === 0;
  });
}

export class CancelRounds {
  /** How often something came out: that a test tries what it says. */
  readonly counts = new Map<string, number>();
  private readonly sides: readonly Side[];
  private readonly input: string;
  private readonly followed = new Map<string, Followed>();
  /** The task of a job. */
  private readonly tasks = new Map<string, string>();
  private readonly cancels = new Map<string, (uid: string) => void>();

  /** @param input a closed dataset with two files */
  constructor(sides: readonly Side[], input: string) {
    this.sides = sides;
    this.input = input;
    for (const { node } of sides)
      node.runtime.onApplied(workload.name, (events) => {
        for (const event of events) this.follow(event);
      });
  }

  /** So many, some of them at the same time. */
  async run(dice: Dice, rounds: number, together: number): Promise<void> {
    let left = rounds;
    const lane = async (own: Dice) => {
      while (left > 0) {
        left -= 1;
        await this.round(own);
      }
    };
    await Promise.all(Array.from({ length: together }, () => lane(dice.apart())));
  }

  private follow({ type, stream, data }: RecordedEvent): void {
    const id = idOf(stream);
    if (type === 'JobCreated') {
      const ofTask = String(data['task']);
      this.tasks.set(id, ofTask);
      this.followed.get(ofTask)?.jobs.add(id);
    } else if (type === 'JobCancelRequested') this.cancels.get(id)?.(id);
    else if (stream.startsWith('wl_task-')) this.followed.get(id)?.types.add(type);
  }

  private note(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  private async round(dice: Dice): Promise<void> {
    const uid = dice.uuid();
    const followed = new Followed();
    this.followed.set(uid, followed);
    const race = dice.pick(RACES);
    const order = { ...ORDER, uid, data_in_uid: this.input, retries: 0, require_complete: false };
    await dice
      .pick(this.sides)
      .node.ask('task_submit', { ...order, files_per_job: dice.chance(0.2) ? 1 : 2 });
    const works: (() => Promise<void>)[] = [];
    if (race !== 'split') {
      await until(
        `task ${uid} is split`,
        () => followed.types.has('TaskSplitCompleted') && followed.jobs.size > 0,
      );
      for (const job of followed.jobs) works.push(await this.prepare(job, race, dice));
    }
    works.push(() => this.cancel(uid, race === 'split' ? TURNS_OF_A_SPLIT : MOST_TURNS, dice));
    if (dice.chance(0.3)) works.push(() => this.cancel(uid, MOST_TURNS, dice));
    await Promise.all(works.map((work) => work()));
    await until(`task ${uid} has ended after ${race}`, () =>
      [...followed.types].some((type) => ENDS.has(type)),
    );
    // What comes late changes nothing.
    for (const job of followed.jobs) {
      await this.claim(dice.pick(this.sides).pilot, job);
      this.cancels.delete(job);
    }
    this.followed.delete(uid);
  }

  private async cancel(uid: string, longest: number, dice: Dice): Promise<void> {
    const { node } = dice.pick(this.sides);
    await turns(dice.whole(0, longest));
    const said = await outcomeOf(node.ask('task_cancel', { id: uid, reason: 'as the dice have it' }));
    this.note(`cancels ${said}`);
  }

  /** @returns what is to race with the request */
  private async prepare(job: string, race: Race, dice: Dice): Promise<() => Promise<void>> {
    const { pilot } = dice.pick(this.sides);
    const wait = () => turns(dice.whole(0, MOST_TURNS));
    await pilot.queue(job);
    if (race === 'claim')
      return async () => {
        await wait();
        const claim = await this.claim(pilot, job);
        if (claim !== undefined) await this.endWhenAsked(pilot, claim, dice);
      };
    const claim = await this.claim(pilot, job);
    if (claim === undefined) throw new Error(`job ${job} was not granted, and nobody had cancelled it`);
    const start = async () => {
      if (dice.chance(0.7)) await outcomeOf(pilot.started(claim));
    };
    if (race === 'finish')
      return async () => {
        const ended = this.endWhenAsked(pilot, claim, dice);
        await start();
        await wait();
        this.note(`finishes ${await outcomeOf(pilot.finished(claim))}`);
        await ended;
      };
    await pilot.failed(claim, 'payload_exit');
    return async () => {
      await wait();
      await this.retry(pilot, job, dice);
    };
  }

  private async retry(pilot: InnerPilot, job: string, dice: Dice): Promise<void> {
    const { node } = dice.pick(this.sides);
    const uid = this.tasks.get(job) ?? '';
    const decide = dice.chance(0.5) ? retryTask(uid, 'again') : retryJob(uid, job, 'again');
    const said = await outcomeOf(node.runtime.system.execute(task, uid, { decide }));
    this.note(`retries ${said}`);
    if (said !== 'done') return;
    await turns(dice.whole(0, 3 * MOST_TURNS));
    await outcomeOf(pilot.queue(job));
    const again = await this.claim(pilot, job);
    if (again !== undefined) await this.endWhenAsked(pilot, again, dice);
  }

  /** What is granted ends when it is told to, or has ended by itself just then. */
  private endWhenAsked(pilot: InnerPilot, claim: InnerClaim, dice: Dice): Promise<void> {
    const isLate = dice.chance(0.3);
    const wait = dice.whole(0, MOST_TURNS);
    return new Promise((resolve, reject) => {
      const end = async () => {
        await turns(wait);
        if (isLate) this.note(`finishes behind the request ${await outcomeOf(pilot.finished(claim))}`);
        this.note(`ends ${await outcomeOf(pilot.cancelled(claim))}`);
      };
      const asked = () => {
        end().then(resolve, reject);
      };
      this.cancels.set(claim.job, asked);
      const look = async () => {
        // It may have been asked before anybody listened, or have ended otherwise.
        await until(`job ${claim.job} is asked to end, or has ended`, async () => {
          const { value, context } = await pilot.stateOf(claim.job);
          if (value === 'cancelling') asked();
          return value === 'cancelling' || context.claim?.claimId !== claim.claimId;
        });
        const { value } = await pilot.stateOf(claim.job);
        if (value !== 'cancelling') resolve();
      };
      look().catch(reject);
    });
  }

  private async claim(pilot: InnerPilot, job: string): Promise<InnerClaim | undefined> {
    try {
      const claim = await pilot.claim(job);
      this.note('claims granted');
      return claim;
    } catch (error) {
      if (!(error instanceof OwlError)) throw error;
      this.note(`claims ${error.reason ?? error.kind}`);
      return undefined;
    }
  }
}

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await turn();
}

/** @returns `done`, or why not; what nobody foresaw is thrown */
async function outcomeOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'done';
  } catch (error) {
    if (error instanceof OwlError && error.kind === 'refused') return error.reason ?? 'refused';
    throw error;
  }
}
