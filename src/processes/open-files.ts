/**
 * Which processes have files open, told by the files' names, as /proc tells it.
 *
 * Guarantee: what can't be looked at is told. Of other users' processes only root is told anything; they count as having
 * nothing open, because a kept process runs as its owner's user.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { pids } from './process-table.js';

/** So many processes at a time, so that a machine full of them holds up nothing else. */
const AT_ONCE = 50;

export interface OpenFiles {
  /** Pids by the name of the file, without its directory. */
  readonly users: ReadonlyMap<string, readonly number[]>;
  /** Processes of this user that can't be looked at. */
  readonly unreadable: readonly number[];
}

/** @param names of files, without directories; such that no other file has them */
export async function whoHasOpen(names: ReadonlySet<string>): Promise<OpenFiles> {
  const users = new Map<string, number[]>();
  const unreadable: number[] = [];
  if (names.size === 0) return { users, unreadable };
  for (const [index, pid] of pids().entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) await nextTurn();
    const open = openNamesOf(pid);
    if (open === undefined && isOwn(pid)) unreadable.push(pid);
    for (const name of new Set(open)) if (names.has(name)) users.set(name, [...(users.get(name) ?? []), pid]);
  }
  return { users, unreadable };
}

/** Undefined when they can't be read, also of one that has ended. */
function openNamesOf(pid: number): string[] | undefined {
  const directory = `/proc/${pid}/fd`;
  try {
    return readdirSync(directory).flatMap((descriptor) => {
      try {
        return basename(readlinkSync(`${directory}/${descriptor}`));
      } catch {
        // Closed meanwhile.
        return [];
      }
    });
  } catch {
    return undefined;
  }
}

/** Of this user and alive. */
function isOwn(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const uid = Number(/^Uid:\t(\d+)/m.exec(status)?.[1]);
    return uid === process.getuid?.() && !/^State:\t[ZX]/m.test(status);
  } catch {
    return false;
  }
}
