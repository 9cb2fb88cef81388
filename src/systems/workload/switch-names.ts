/** What can be switched off: the part that makes jobs of tasks, and the one that hands jobs to the queue. */

export const SWITCH_NAMES = ['splitter', 'executor'] as const;
export type SwitchName = (typeof SWITCH_NAMES)[number];
