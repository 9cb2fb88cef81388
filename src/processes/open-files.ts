/**
 * Which processes have files open, as /proc tells it: by the files' names, and where other files may have the same name by
 * the file itself.
 *
 * Guarantee: what can't be looked at is told. Of other users' processes only root is told anything; they count as having
 * nothing open, because a kept process runs as its owner's user.
 */

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
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

/** What is asked about. */
export interface NamedFile {
  /** Without its directory. */
  readonly name: string;
  /** Device and number, `2049:17`. Undefined: no other file has that name. */
  readonly inode: string | undefined;
}

export async function whoHasOpen(files: readonly NamedFile[]): Promise<OpenFiles> {
  const users = new Map<string, number[]>();
  const unreadable: number[] = [];
  const names = new Set(files.map(({ name }) => name));
  const inodes = new Map<string, string[]>();
  for (const { name, inode } of files)
    if (inode !== undefined) inodes.set(name, [...(inodes.get(name) ?? []), inode]);
  const isMeant = (name: string, descriptor: string): boolean =>
    names.has(name) && (inodes.get(name)?.includes(inodeOf(descriptor)) ?? true);
  if (names.size === 0) return { users, unreadable };
  for (const [index, pid] of pids().entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) await nextTurn();
    const open = openNamesOf(pid, isMeant);
    if (open === undefined && isOwn(pid)) unreadable.push(pid);
    for (const name of new Set(open)) users.set(name, [...(users.get(name) ?? []), pid]);
  }
  return { users, unreadable };
}

/** Undefined when they can't be read, also of one that has ended. */
function openNamesOf(
  pid: number,
  isMeant: (name: string, descriptor: string) => boolean,
): string[] | undefined {
  const directory = `/proc/${pid}/fd`;
  try {
    return readdirSync(directory).flatMap((descriptor) => {
      const link = `${directory}/${descriptor}`;
      try {
        const name = basename(readlinkSync(link));
        return isMeant(name, link) ? name : [];
      } catch {
        // Closed meanwhile.
        return [];
      }
    });
  } catch {
    return undefined;
  }
}

/** Of an open file. Throws what the file system throws. */
function inodeOf(descriptor: string): string {
  const { dev, ino } = statSync(descriptor);
  return `${dev}:${ino}`;
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
