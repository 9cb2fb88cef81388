/** Waiting on a condition. Guarantees an error that names the condition, instead of a test that hangs. */

import { setTimeout as pause } from 'node:timers/promises';

/** Resolves once the condition holds. It is asked again and again, so it may also push things on: move a clock. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  longestMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + longestMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${longestMs} ms in vain until ${what}`);
    await pause(1);
  }
}
