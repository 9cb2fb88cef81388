/** The kinds of devices that jobs run on: each has pilots and a queue of its own. */

export const DEVICES = ['cpu', 'gpu'] as const;
export type Device = (typeof DEVICES)[number];
