/** What processes take of the machine, measured now and then. */

import pidusage, { type Status } from 'pidusage';
import type { Logger } from 'pino';
import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import { every } from '../base/repeat.js';
import { systemErrorCode } from '../base/system-error.js';

export interface Usage {
  /** Percent of one core since the measurement before; undefined after the first one, which has nothing to compare with. */
  readonly cpu: number | undefined;
  /** Bytes in memory. */
  readonly memory: number;
}

interface Measured extends Usage {
  /** Age of the process, milliseconds. */
  readonly elapsed: number;
}

const MEASURE_EVERY_MS = 10_000;
/** What the library remembers of a process, an open file each, goes when it was not asked for so long. */
const REMEMBER_MS = 3 * MEASURE_EVERY_MS;

export interface UsageMeterOptions {
  /** The processes to measure. */
  readonly pids: () => readonly number[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export class UsageMeter {
  private readonly options: UsageMeterOptions;
  private measured = new Map<number, Measured>();

  constructor(options: UsageMeterOptions) {
    this.options = options;
  }

  /** Undefined before the first measurement and once it has ended. */
  of(pid: number): Usage | undefined {
    return this.measured.get(pid);
  }

  /** Until the signal aborts. */
  async run(): Promise<void> {
    const { clock, signal, logger } = this.options;
    await every({ clock, pauseMs: MEASURE_EVERY_MS, signal }, () =>
      this.measure().catch((error: unknown) =>
        logger.warn({ reason: messageOf(error) }, 'the use of CPU and memory could not be measured'),
      ),
    );
  }

  /** Measures all of them once. */
  async measure(): Promise<void> {
    const pids = this.options.pids();
    const usages = await usagesOf(pids);
    const before = this.measured;
    this.measured = new Map(
      Object.entries(usages).flatMap(([name, usage]) => {
        // One that has ended meanwhile has none.
        if (usage === null) return [];
        const { cpu, memory, elapsed } = usage;
        const pid = Number(name);
        // A younger process has got its pid.
        const isFirst = (before.get(pid)?.elapsed ?? Number.POSITIVE_INFINITY) > elapsed;
        return [[pid, { cpu: isFirst ? undefined : cpu, memory, elapsed }]];
      }),
    );
  }
}

async function usagesOf(pids: readonly number[]): Promise<Readonly<Record<string, Status | null>>> {
  if (pids.length === 0) return {};
  try {
    return await pidusage([...pids], { maxage: REMEMBER_MS });
  } catch (error) {
    // The library's way to say that not one of them is there any more.
    if (['ENOENT', 'ESRCH'].includes(systemErrorCode(error) ?? '')) return {};
    throw error;
  }
}
