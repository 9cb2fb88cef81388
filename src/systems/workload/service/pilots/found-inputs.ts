/**
 * What a pilot says of an input that it has not found as it was registered, beside what others see.
 *
 * Guarantees: where this node sees the file as it was registered, its pilot does not see the storage, and the attempt is a loss of that
 * machine; that a file is missing counts where this node sees that it is, or where a second pilot has said so lately: one machine alone,
 * where nothing is mounted, fails no job for good.
 */

import { fileURLToPath } from 'node:url';
import type { Clock } from '../../../../base/clock.js';
import { KeptLately } from '../../../../base/kept-lately.js';
import type { Failure } from '../jobs/job-commands.js';
import type { OrderedInput } from '../jobs/job-orders.js';
import type { SeenFiles } from './seen-files.js';

const LATELY_MS = 15 * 60_000;
const MOST_KEPT = 10_000;

export interface ToldOf {
  readonly input: OrderedInput;
  /** Where it lies. */
  readonly storageUrl: string;
  /** Who tells it. */
  readonly pilot: string;
}

export class FoundInputs {
  private readonly clock: Clock;
  private readonly files: SeenFiles;
  /** Who has missed an input, by its uid; monotonic milliseconds. */
  private readonly missed = new KeptLately<string, { readonly pilot: string; readonly at: number }>({
    limit: MOST_KEPT,
    weightOf: () => 1,
  });

  constructor(clock: Clock, files: SeenFiles) {
    this.clock = clock;
    this.files = files;
  }

  /** @returns what it counts as */
  async judge(failure: Failure, told: ToldOf): Promise<Failure> {
    const { input, pilot } = told;
    if (failure.class === 'input_checksum' && !isOfOtherSize(failure, input)) return failure;
    const seen = await this.seen(told);
    if (seen === 'absent' || failure.file === undefined) return failure;
    if (typeof seen === 'number') {
      if (input.size === undefined || seen === input.size)
        return lossOf(failure, `this node sees it as it was registered, and pilot ${pilot} does not`);
      return failure.class === 'input_checksum'
        ? failure
        : { ...failure, class: 'input_checksum', found_size: String(seen) };
    }
    if (failure.class === 'input_checksum' || this.isConfirmed(input.uid, pilot)) return failure;
    return lossOf(failure, `pilot ${pilot} alone has looked for it, and this node does not see its storage`);
  }

  private async seen({ input, storageUrl }: ToldOf): Promise<Awaited<ReturnType<SeenFiles['of']>>> {
    if (!storageUrl.startsWith('file:///')) return 'unseen';
    const { path, file_name: name } = input;
    return await this.files.of(fileURLToPath(storageUrl), path === '' ? name : path);
  }

  /** Another pilot has missed it, too. */
  private isConfirmed(uid: string, pilot: string): boolean {
    const before = this.missed.get(uid);
    const now = this.clock.monotonic();
    const isLately = before !== undefined && now - before.at < LATELY_MS;
    if (isLately && before.pilot !== pilot) return true;
    this.missed.set(uid, { pilot, at: now });
    return false;
  }
}

function isOfOtherSize({ found_size: found }: Failure, { size }: OrderedInput): boolean {
  return found !== undefined && size !== undefined && found !== String(size);
}

function lossOf({ log, detail }: Failure, why: string): Failure {
  return {
    ...{ class: 'storage_unavailable', detail: `${detail} (${why})` },
    ...(log === undefined ? {} : { log }),
  };
}
