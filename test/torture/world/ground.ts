/** What the disk and the clock of a process are like, and the file that tells it. */

import { renameSync, writeFileSync } from 'node:fs';

export interface Ground {
  readonly flush: 'works' | 'fails';
  readonly flushDelayMs: number;
  /** No file of a database can grow. */
  readonly full: boolean;
  /** How far the wall's clock is off. */
  readonly clockOffsetMs: number;
}

export const WELL: Ground = { flush: 'works', flushDelayMs: 0, full: false, clockOffsetMs: 0 };

/** Replaces the file as a whole: who reads it meanwhile sees the one or the other. */
export function writeGround(path: string, ground: Ground): void {
  writeFileSync(`${path}.new`, JSON.stringify(ground));
  renameSync(`${path}.new`, path);
}

/** Undefined where the file says nothing. */
export function readGround(path: string, read: (path: string) => string): Ground | undefined {
  try {
    const told: unknown = JSON.parse(read(path));
    return typeof told === 'object' && told !== null ? { ...WELL, ...told } : undefined;
  } catch {
    return undefined;
  }
}
