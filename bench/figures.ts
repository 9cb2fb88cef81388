/** Figures of a benchmark, as they are reckoned and printed. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function line(what: string, figure: string, spread = ''): void {
  console.log(`${what.padEnd(66)} ${figure.padStart(10)}  ${spread}`);
}

/** Median, and from lowest to highest. */
export function rate(values: readonly number[]): [string, string] {
  return [`${whole(median(values))}/s`, `${whole(Math.min(...values))} to ${whole(Math.max(...values))}`];
}

/** Of the values of each round to those of the same round: median, and all of them. */
export function ratio(values: readonly number[], to: readonly number[]): [string, string] {
  const ratios = values.map((value, round) => value / (to[round] ?? Number.NaN));
  return [median(ratios).toFixed(2), ratios.map((one) => one.toFixed(2)).join(' ')];
}

export function micros(values: readonly number[]): string {
  return `${median(values).toFixed(0)} µs`;
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
