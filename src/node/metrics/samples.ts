/** What metrics are told in: numbers and durations, under labels. */

/** By label name. */
export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

/** Of a histogram. */
export interface TimedSample {
  readonly labels?: Labels;
  readonly durations: Durations;
}

/** From a tenth of a millisecond to ten seconds. */
export const SHORT_SECONDS: readonly number[] = [
  ...[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
];

/** How long things took: how many up to each bound. */
export class Durations {
  /** Seconds, rising. */
  readonly bounds: readonly number[];
  /** How many took no longer than the bound of that place, and longer than the one before; the last: than all. */
  readonly counts: Float64Array;
  /** Seconds. */
  sum = 0;

  constructor(bounds: readonly number[] = SHORT_SECONDS) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(tookMs: number): void {
    const seconds = tookMs / 1000;
    const { bounds, counts } = this;
    let at = 0;
    while (at < bounds.length && seconds > (bounds[at] ?? 0)) at += 1;
    counts[at] = (counts[at] ?? 0) + 1;
    this.sum += seconds;
  }

  get count(): number {
    return this.counts.reduce((all, count) => all + count, 0);
  }
}
