/**
 * A disk of a few hundred KiB, to be filled to its last block: a tmpfs of its own where this user may mount one, which is
 * where the tests are run by root.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { systemErrorCode } from '../../src/runtime/system-error.js';

const FILLER = 'filler';
const BLOCK_BYTES = 4096;

export interface SmallDisk {
  /** Where it is mounted. */
  readonly path: string;
  /** Until not one block is free. */
  fill(): void;
  /** What filled it goes. */
  makeRoom(): void;
}

/** Undefined where this user may not mount anything. */
export function mountSmallDisk(t: Test, parent: string): SmallDisk | undefined {
  const path = join(parent, 'small');
  mkdirSync(path);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=700', 'owl-test', path]);
  if (mounted.status !== 0) return undefined;
  t.teardown(() => {
    spawnSync('umount', ['--lazy', path]);
  });
  return {
    path,
    fill: () => fill(join(path, FILLER)),
    makeRoom: () => rmSync(join(path, FILLER)),
  };
}

function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(BLOCK_BYTES));
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}
