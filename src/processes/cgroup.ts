/**
 * A cgroup for each kept process, where this process may make some: nobody leaves one by changing session, parent or
 * environment, so whoever is in it belongs to that process.
 *
 * Guarantees: a process' cgroup is told by its name, which follows from the path of its record, so no other directory is
 * ever read as one, whatever a record says; where there can't be one, processes start all the same. A process is moved
 * there right after its start: what it has started within that moment is found by the other means (process-family.ts). The
 * kernel may take some milliseconds for that, in which nobody here waits for it.
 */

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  write,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../base/errors.js';
import { makeDirectoriesNow } from '../base/make-directories.js';
import { identifyProcess, type ProcessIdentity } from '../base/process-identity.js';
import type { ProcessMark } from './records/process-kind.js';

const MEMBERS = 'cgroup.procs';
const writeLater = promisify(write);
/** Somebody may give this process another cgroup, or more rights, while it runs. */
const PLACE_HOLDS_MS = 1_000;

/** Where this process may make cgroups, or why it may not. */
export type CgroupPlace =
  | { readonly directory: string }
  | { readonly directory: undefined; readonly reason: string };

/**
 * The cgroup that this process is in itself, if it was given to it (cgroup v2, writable).
 * @param proc where the kernel tells of processes
 */
export function findCgroupPlace(proc = '/proc'): CgroupPlace {
  try {
    const own = /^0::(\/.*)$/m.exec(readFileSync(join(proc, 'self/cgroup'), 'utf8'))?.[1];
    const mount = mountOf(readFileSync(join(proc, 'self/mountinfo'), 'utf8'));
    if (own === undefined || mount === undefined)
      return { directory: undefined, reason: 'there is no cgroup v2 here' };
    if (!isBelow(own, mount.root))
      return { directory: undefined, reason: `the cgroup ${own} of this process can't be seen from here` };
    const directory = join(mount.point, own.slice(mount.root === '/' ? 0 : mount.root.length));
    for (const path of [directory, join(directory, MEMBERS)]) accessSync(path, constants.W_OK);
    return { directory };
  } catch (error) {
    return { directory: undefined, reason: `no cgroup was delegated to owl (${messageOf(error)})` };
  }
}

let knownPlace: { readonly place: CgroupPlace; readonly at: number } | undefined;

function ownPlace(): CgroupPlace {
  const now = performance.now();
  if (knownPlace === undefined || now - knownPlace.at >= PLACE_HOLDS_MS)
    knownPlace = { place: findCgroupPlace(), at: now };
  return knownPlace.place;
}

/** A cgroup that was made for one process. */
export class OwnCgroup {
  readonly directory: string;
  private isEntered = false;
  private moved: Promise<void> = Promise.resolve();

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Undefined where there can't be one. */
  static make({ cgroup }: ProcessMark, place: CgroupPlace = ownPlace()): OwnCgroup | undefined {
    if (place.directory === undefined) return undefined;
    const directory = join(place.directory, cgroup);
    try {
      makeDirectoriesNow(directory);
      return new OwnCgroup(directory);
    } catch {
      return undefined;
    }
  }

  /** Moves a process there that was just started. Where that can't be done it stays where it is. */
  enter(pid: number): void {
    let members: number;
    try {
      members = openSync(join(this.directory, MEMBERS), 'w');
    } catch {
      removeCgroup(this.directory);
      return;
    }
    this.moved = writeLater(members, String(pid)).then(
      () => {
        closeSync(members);
        this.isEntered = true;
      },
      () => {
        closeSync(members);
        removeCgroup(this.directory);
      },
    );
  }

  /** Its directory once the process is there, so that what the kernel says of it is said of that process. */
  get entered(): string | undefined {
    return this.isEntered ? this.directory : undefined;
  }

  /** As soon as nobody is being moved there. Stays while somebody is in it. */
  remove(): void {
    if (this.isEntered) removeCgroup(this.directory);
    else void this.moved.then(() => removeCgroup(this.directory));
  }
}

/**
 * What its processes may have in memory, all together; beyond it the kernel ends one of them. Only where memory is accounted in
 * cgroups here.
 */
export function limitMemory(directory: string, bytes: number): void {
  const limit = join(directory, 'memory.max');
  try {
    if (existsSync(limit)) writeFileSync(limit, String(bytes));
  } catch {
    // It was given to owl without that: whoever asked for the limit looks itself.
  }
}

/** Whether the kernel has ended one of its processes for what they had in memory. */
export function wasOutOfMemory(directory: string): boolean {
  try {
    const events = readFileSync(join(directory, 'memory.events'), 'utf8');
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0) > 0;
  } catch {
    return false;
  }
}

/** Where the cgroup of a process may be. @param recorded as its record has it */
export function cgroupsOf({ cgroup: name }: ProcessMark, recorded: string | undefined): string[] {
  const { directory } = ownPlace();
  const own = directory === undefined ? [] : [join(directory, name)];
  const isOurs = recorded !== undefined && basename(recorded) === name;
  return [...new Set(isOurs ? [recorded, ...own] : own)];
}

/** Every living process in it and below it. None when it is not there. */
export function processesInCgroup(directory: string): ProcessIdentity[] {
  try {
    const members = readFileSync(join(directory, MEMBERS), 'utf8').split('\n').filter(Boolean);
    const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [
      // 0: one that can't be seen from this process' namespace.
      ...members.flatMap((pid) => (pid === '0' ? [] : (identifyProcess(Number(pid)) ?? []))),
      ...below.flatMap(({ name }) => processesInCgroup(join(directory, name))),
    ];
  } catch {
    return [];
  }
}

/** Stays while somebody is in it. */
export function removeCgroup(directory: string): void {
  // The kernel lets whoever removes one wait for those that are being moved somewhere.
  if (!existsSync(directory)) return;
  try {
    rmdirSync(directory);
  } catch {
    // It is not there, or not empty: an empty cgroup takes nothing.
  }
}

interface Mount {
  /** Which part of the hierarchy is mounted. */
  readonly root: string;
  readonly point: string;
}

/** See /proc/PID/mountinfo in proc(5): optional fields end with a lone dash, and the type follows. */
function mountOf(mountinfo: string): Mount | undefined {
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    if (!after.startsWith('cgroup2 ')) continue;
    const [, , , root, point] = before.split(' ').map(unescaped);
    if (root !== undefined && point !== undefined) return { root, point };
  }
  return undefined;
}

function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_whole, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

function isBelow(path: string, root: string): boolean {
  if (path.split('/').includes('..')) return false;
  return root === '/' || path === root || path.startsWith(`${root}/`);
}
