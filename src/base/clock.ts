/**
 * The one source of time. Machines never see it: handlers and timers read it and put times into events.
 *
 * Guarantee: there are three times, and none stands in for another. The wall's (`now`) is what people read and what files
 * and events are dated with; it may be set, in both directions, so no duration is measured with it. The running
 * (`monotonic`) measures durations within a process. The boot's (`sinceBoot`) measures what outlives a process, and is the
 * only one that says how long a machine slept.
 */

import { uptime } from 'node:os';
import { KernelFile } from './kernel-file.js';

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since some moment of this process: never goes back, and is never set. Sleep of the machine need not count. */
  monotonic(): number;
  /** Milliseconds since the machine booted, sleep included: to some 10 ms the same in every process of the machine. */
  sinceBoot(): number;
  /** Calls `run` once `delayMs` from now; the returned function cancels it. Never keeps the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

/** Node clamps longer timeouts to 1 ms, so longer waits are cut into pieces by the caller asking again. */
const LONGEST_TIMEOUT_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sinceBoot,
  after: (delayMs, run) => {
    const timeout = setTimeout(run, Math.min(Math.max(delayMs, 0), LONGEST_TIMEOUT_MS));
    timeout.unref();
    return () => clearTimeout(timeout);
  },
};

const sinceBootFile = new KernelFile('/proc/uptime');

/** The kernel's own figure; elsewhere what Node makes of it, which is a second coarse. */
function sinceBoot(): number {
  try {
    const seconds = Number.parseFloat(sinceBootFile.read());
    if (Number.isFinite(seconds)) return seconds * 1000;
  } catch {
    // There is none outside of Linux.
  }
  return uptime() * 1000;
}
