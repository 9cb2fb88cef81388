/** The one source of time. Machines never see it: handlers and timers read it and put times into events. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `run` once `delayMs` from now; the returned function cancels it. Never keeps the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

/** Node clamps longer timeouts to 1 ms, so longer waits are cut into pieces by the caller asking again. */
const LONGEST_TIMEOUT_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, run) => {
    const timeout = setTimeout(run, Math.min(Math.max(delayMs, 0), LONGEST_TIMEOUT_MS));
    timeout.unref();
    return () => clearTimeout(timeout);
  },
};
