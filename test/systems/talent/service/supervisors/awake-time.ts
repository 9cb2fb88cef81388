/**
 * How long something takes, as far as this process was awake. Guarantee: what keeps the whole process from running, as a
 * busy machine does, counts for no more than a moment, so that a bound may be tight and still be no matter of luck.
 */

const TICK_MS = 10;

/** Milliseconds until the promise settles, either way. */
export async function awakeTime(work: Promise<unknown>): Promise<number> {
  let ticks = 0;
  // However late it comes, it comes once.
  const ticker = setInterval(() => ticks++, TICK_MS);
  await Promise.allSettled([work]);
  clearInterval(ticker);
  return ticks * TICK_MS;
}
