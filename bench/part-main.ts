/**
 * The inside of a part of a benchmark: says where it serves, answers questions, and ends when it is told to, or when the
 * benchmark is gone. See part.ts.
 */

export interface PartFigures {
  /** Seconds of CPU this process has used. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

export interface PartMain {
  /** Where it serves, in its own terms; empty when it serves nothing. */
  readonly address: string;
  readonly stop: () => Promise<void>;
  /** Answers what is not asked of every part. */
  readonly answer?: (question: unknown) => Promise<object>;
}

export function playPart({ address, stop, answer }: PartMain): void {
  process.on('message', (question) => {
    if (question === 'figures') process.send?.(figures());
    else if (question === 'stop') void stop().then(() => process.disconnect());
    else void answer?.(question).then((answered) => process.send?.(answered));
  });
  process.once('disconnect', () => process.exit());
  process.send?.({ address });
}

function figures(): PartFigures {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() };
}
