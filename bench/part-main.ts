/**
 * The inside of a part of a benchmark: says where it serves, answers questions, and ends when it is told to, or when the
 * benchmark is gone. See part.ts.
 */

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

export interface PartFigures {
  /** Seconds of CPU this process has used. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

export interface PartStandstill {
  /** The longest turn of its event loop since it was asked last, or less than `LOOKED_AT_MS` more. */
  readonly longestMs: number;
}

/** How often a part looks at the clock once it was asked how long it stood still. */
const LOOKED_AT_MS = 5;

export interface PartMain {
  /** Where it serves, in its own terms; empty when it serves nothing. */
  readonly address: string;
  readonly stop: () => Promise<void>;
  /** Answers what is not asked of every part. */
  readonly answer?: (question: unknown) => Promise<object>;
}

export function playPart({ address, stop, answer }: PartMain): void {
  const delays = monitorEventLoopDelay({ resolution: LOOKED_AT_MS });
  process.on('message', (question) => {
    if (question === 'figures') process.send?.(figures());
    else if (question === 'standstill') process.send?.(standstill(delays));
    else if (question === 'stop') void stop().then(() => process.disconnect());
    else void answer?.(question).then((answered) => process.send?.(answered));
  });
  process.once('disconnect', () => process.exit());
  process.send?.({ address });
}

function standstill(delays: IntervalHistogram): PartStandstill {
  const longestMs = delays.max / 1e6;
  delays.enable();
  delays.reset();
  return { longestMs };
}

function figures(): PartFigures {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}
