/**
 * Jobs that no pilot has ever offered to run: after a time they fail, so that a mistyped name does not wait for ever.
 *
 * Guarantees: a job fails only when its executable was unknown for all that time, in running time of this node since it began to look,
 * so that pilots that come with the node are waited for; a pilot that is lost, has left or drains counts as one that offers it, one
 * that is retired does not.
 */

import type { Clock } from '../../../../base/clock.js';
import type { ActorSystem } from '../../../../runtime/actors/actor-system.js';
import type { LeftOut } from '../left-out.js';
import { job } from './job-commands.js';
import type { JobQueries } from './job-queries.js';
import { failWaiting } from './job-upkeep.js';

const BATCH = 100;
/** Between two looks: the longest, and so many in the time that they wait. */
const LONGEST_PAUSE_MS = 10_000;
const LOOKS = 10;
/** While there are more than a batch. */
const SHORTEST_PAUSE_MS = 50;

export interface UnknownExecutablesOptions {
  readonly system: Pick<ActorSystem, 'execute'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly queries: Pick<JobQueries, 'unknownExecutables' | 'createdOf'>;
  readonly afterSeconds: number;
  readonly leftOut: LeftOut;
}

export class UnknownExecutables {
  private readonly options: UnknownExecutablesOptions;
  /** Since when each was seen unknown, by device and name. Monotonic milliseconds. */
  private since = new Map<string, number>();
  private lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: UnknownExecutablesOptions) {
    this.options = options;
  }

  /** @param now Unix milliseconds @returns when to look again, in Unix milliseconds; undefined: not before something happens */
  async look(now: number): Promise<number | undefined> {
    const { clock, queries, afterSeconds } = this.options;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, (afterSeconds * 1000) / LOOKS);
    const at = clock.monotonic();
    if (at - this.lookedAt < pauseMs) return now + pauseMs;
    this.lookedAt = at;
    const unknown = queries.unknownExecutables();
    const since = new Map<string, number>();
    for (const { device, executable } of unknown) {
      const key = `${device}/${executable}`;
      since.set(key, this.since.get(key) ?? at);
    }
    this.since = since;
    let isMore = false;
    for (const { device, executable } of unknown) {
      const seen = since.get(`${device}/${executable}`) ?? at;
      if (at - seen < afterSeconds * 1000) continue;
      const failed = await this.fail(device, executable, now / 1000);
      isMore ||= failed === BATCH;
    }
    if (isMore) this.lookedAt = at - pauseMs + SHORTEST_PAUSE_MS;
    return unknown.length === 0 ? undefined : now + (isMore ? SHORTEST_PAUSE_MS : pauseMs);
  }

  /** @param now Unix seconds @returns how many: as many as a batch holds, and there may be more */
  private async fail(device: string, executable: string, now: number): Promise<number> {
    const { system, queries, leftOut, afterSeconds } = this.options;
    const detail = `no ${device} pilot has ever offered ${executable}`;
    const times = { now, seconds: afterSeconds };
    const found = queries.createdOf(device, executable, times, BATCH + leftOut.size);
    const told = await Promise.all(
      leftOut.without(found, BATCH).map((one) =>
        leftOut.tell(one, () =>
          system.execute(job, one.uid, {
            by: 'executor',
            decide: (snapshot) => failWaiting(snapshot, { class: 'executable_unknown', detail }),
          }),
        ),
      ),
    );
    return told.length;
  }
}
