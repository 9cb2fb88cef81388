/**
 * How long a plot still takes, from how long this machine's earlier plots took. A pure estimate: it never throws, and it
 * says nothing rather than something made up.
 */

/**
 * @param progress 0 to 100
 * @param elapsedSeconds since the plotter began
 * @param earlierTotals seconds from begin to finished of earlier plots of this size on this machine, in any order; the
 *   median counts, so that one plot that stood still for a day does not
 * @returns seconds; without earlier plots what this plot's own pace promises; undefined when nothing is known
 */
export function estimateSecondsLeft(
  progress: number,
  elapsedSeconds: number,
  earlierTotals: readonly number[],
): number | undefined {
  if (!(progress >= 0)) return undefined;
  const share = Math.min(progress, 100) / 100;
  const total = medianOf(earlierTotals.filter(isDuration));
  if (total !== undefined) return total * (1 - share);
  if (share === 0 || !isDuration(elapsedSeconds)) return undefined;
  return (elapsedSeconds / share) * (1 - share);
}

function isDuration(seconds: number): boolean {
  return Number.isFinite(seconds) && seconds > 0;
}

function medianOf(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}
