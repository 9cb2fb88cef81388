/**
 * Which states of a task, by the names that the wire has for them, are the end of an attempt. Programs on machines and clients
 * know the wire and load no machine, so the list stands here for them; a test compares it with the machine's.
 */

export const FINAL_STATES = ['stopped', 'finished', 'failed'] as const;

const FINAL: ReadonlySet<string> = new Set(FINAL_STATES);

/** @param state as it came; whatever else it is, also a state of a later version, it is not final */
export function isFinal(state: string): boolean {
  return FINAL.has(state);
}

/** What the remarks of a task say from when its plotter is halted until it goes on. */
export const SUSPENDED = 'suspended by the operator';
