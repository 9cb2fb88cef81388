/** Waiting on a condition. Guarantees an error that names the condition, instead of a test that hangs. */

import { setTimeout as pause } from 'node:timers/promises';

/**
 * Resolves once the condition holds. It is asked again and again, so it may also push things on: move a clock. One that
 * takes long to answer is asked less often, so that whoever is waited for has at least half a processor.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  longestMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + longestMs;
  for (;;) {
    const asked = Date.now();
    if (await condition()) return;
    const now = Date.now();
    if (now > deadline) throw new Error(`waited ${longestMs} ms in vain until ${what}`);
    await pause(Math.max(1, now - asked));
  }
}
