/** Waiting on a condition. Guarantees an error that names the condition, instead of a test that hangs. */

import { setTimeout as pause } from 'node:timers/promises';

const SHORTEST_MS = 1;
const LONGEST_MS = 50;

/**
 * Resolves once the condition holds. It is asked again and again, so it may also push things on: move a clock. Whoever is
 * waited for needs the processors more than the asking does: one look is followed by a pause of four times its length,
 * which is a millisecond for a look at a variable and some ten for a call, and never shorter than the look.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  longestMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + longestMs;
  for (;;) {
    const asked = performance.now();
    if (await condition()) return;
    const now = performance.now();
    if (now > deadline) throw new Error(`waited ${longestMs} ms in vain until ${what}`);
    const tookMs = now - asked;
    await pause(Math.max(SHORTEST_MS, Math.min(4 * tookMs, LONGEST_MS), tookMs));
  }
}
