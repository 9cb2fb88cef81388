/**
 * A disk of 20 MiB, a little more than a supervisor wants to have free, to be filled to its last block: a tmpfs of its own where this user may mount one, which is where the
 * tests are run by root. Elsewhere there is a double, `no-room.ts`, for the keeper alone.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { systemErrorCode } from '../../../../src/base/system-error.js';

const NO_ROOM = new URL('no-room.js', import.meta.url);
const FILLER = 'filler';
/** Looked for by `no-room.ts`. */
export const NO_ROOM_MARK = 'no-room';
const BLOCK_BYTES = 4096;
const BIG_BYTES = 1_048_576;

export interface SmallDisk {
  /** Until not one block is free. */
  fill(): void;
  /** What filled it goes. */
  makeRoom(): void;
}

/** At a directory that is made. Undefined where this user may not mount anything. */
export function mountSmallDisk(t: Test, path: string): SmallDisk | undefined {
  mkdirSync(path, { recursive: true });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20m,mode=700', 'owl-test', path]);
  if (mounted.status !== 0) return undefined;
  t.teardown(() => {
    spawnSync('umount', ['--lazy', path]);
  });
  return { fill: () => fill(join(path, FILLER)), makeRoom: () => rmSync(join(path, FILLER)) };
}

/** Of every keeper that is started from now on, until the test ends. @param path its data directory */
export function pretendSmallDisk(t: Test, path: string): SmallDisk {
  const { NODE_OPTIONS: before = '' } = process.env;
  process.env['NODE_OPTIONS'] = `${before} --import ${fileURLToPath(NO_ROOM)}`;
  t.teardown(() => {
    process.env['NODE_OPTIONS'] = before;
  });
  const mark = join(path, NO_ROOM_MARK);
  return { fill: () => writeFileSync(mark, ''), makeRoom: () => rmSync(mark) };
}

function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (const bytes of [BIG_BYTES, BLOCK_BYTES]) writeUntilFull(file, Buffer.alloc(bytes));
  } finally {
    closeSync(file);
  }
}

function writeUntilFull(file: number, chunk: Uint8Array): void {
  try {
    for (;;) writeSync(file, chunk);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOSPC') throw error;
  }
}
