/** Progress by the share that each step had of a real run's time. Answers lie between 0 and 100, rounded down. */

export interface ProgressScale<S extends string> {
  /** Percent with two decimals once this step and all before it are done. */
  after(step: S): number;
  /**
   * Whole percent while this step is at work. Whole, because plotters print hundreds of lines within a step and each
   * change is stored for good.
   * @param fraction of the step that is done, 0 to 1
   */
  within(step: S, fraction: number): number;
}

/**
 * @param seconds what each step took, in the order in which the plotter takes them; a step that is left out never moves
 *   the progress
 */
export function progressScale<S extends string>(
  seconds: { readonly [step in S]?: number },
): ProgressScale<S> {
  const steps = new Map<string, { begin: number; length: number }>();
  let total = 0;
  for (const [step, length] of Object.entries<number | undefined>(seconds)) {
    if (length === undefined) continue;
    steps.set(step, { begin: total, length });
    total += length;
  }
  const shareAt = (step: S, fraction: number) => {
    const { begin, length } = steps.get(step) ?? { begin: 0, length: 0 };
    return (begin + length * Math.min(fraction, 1)) / total;
  };
  return {
    after: (step) => Math.floor(shareAt(step, 1) * 10_000) / 100,
    within: (step, fraction) => Math.floor(shareAt(step, fraction) * 100),
  };
}
