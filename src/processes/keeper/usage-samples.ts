/**
 * What a process of the keeper took of the machine: processor time and most memory, of it and all that it has started.
 *
 * Guarantees: the end says where each figure is from. `cgroup` is the kernel's own account of the cgroup that only its
 * processes were in, exact but for what it used, and whom it started, before it was moved there; of the two processor times
 * the greater counts, for neither knows too much. Memory of a cgroup includes the files that it has cached. `sample` is what was seen in /proc at most a second
 * before the end: what was used after that, or by processes whose parents never waited for them, is not in it, and memory
 * that processes share is counted for each. One that ended before the first sample has no figure that needs one.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ListedProcess, type ProcessTable, readProcesses } from '../process-table.js';
import type { ProcessUsage } from '../records/process-record.js';
import type { Child } from './child.js';

export const SAMPLE_EVERY_MS = 1_000;
/** The unit of times in /proc, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;
const MICROSECONDS = 1e6;

interface Sample {
  cpuSeconds: number;
  memoryBytes: number;
}

export class UsageSamples {
  private readonly samples = new WeakMap<Child<unknown>, Sample>();

  /** Of those that are to be measured. */
  take(children: Iterable<Child<unknown>>): void {
    let table: ProcessTable | undefined;
    for (const child of children) {
      if (child.options.start.measured !== true || !child.isRunning) continue;
      table ??= readProcesses();
      const found = familyOf(child.identity.pid, table);
      const before = this.samples.get(child);
      const cpuSeconds = sum(found, ({ cpuTicks }) => cpuTicks) / TICKS_PER_SECOND;
      const memoryBytes = sum(found, ({ residentBytes }) => residentBytes);
      this.samples.set(child, {
        cpuSeconds: Math.max(cpuSeconds, before?.cpuSeconds ?? 0),
        memoryBytes: Math.max(memoryBytes, before?.memoryBytes ?? 0),
      });
    }
  }

  /** Of one that has exited, while its cgroup is still there. Undefined when it is not measured or nothing is known. */
  of(child: Child<unknown>): ProcessUsage | undefined {
    const { start, cgroup: own } = child.options;
    if (start.measured !== true) return undefined;
    const cgroup = own?.entered;
    const sample = this.samples.get(child);
    const cpu = cgroup === undefined ? undefined : cpuSecondsOf(cgroup);
    const memory = cgroup === undefined ? undefined : numberIn(join(cgroup, 'memory.peak'), /^(\d+)/);
    const usage: ProcessUsage = {
      ...(sample === undefined
        ? {}
        : {
            ...{ cpu_seconds: sample.cpuSeconds, cpu_from: 'sample' },
            ...{ memory_bytes: sample.memoryBytes, memory_from: 'sample' },
          }),
      ...(cpu === undefined || cpu < (sample?.cpuSeconds ?? 0)
        ? {}
        : { cpu_seconds: cpu, cpu_from: 'cgroup' }),
      ...(memory === undefined ? {} : { memory_bytes: memory, memory_from: 'cgroup' }),
    };
    return Object.keys(usage).length === 0 ? undefined : usage;
  }
}

/** The leader is a child that was not reaped, so its pid and the number of its session are its own. */
function familyOf(leader: number, table: ProcessTable): ListedProcess[] {
  const found = new Map<number, ListedProcess>();
  const waiting = [...(table.bySession.get(leader) ?? []), ...(table.byParent.get(leader) ?? [])];
  // Grows while it is gone through.
  for (const next of waiting) {
    if (found.has(next.pid)) continue;
    found.set(next.pid, next);
    waiting.push(...(table.byParent.get(next.pid) ?? []));
  }
  return [...found.values()];
}

function sum(found: readonly ListedProcess[], of: (one: ListedProcess) => number): number {
  return found.reduce((total, one) => total + of(one), 0);
}

function cpuSecondsOf(cgroup: string): number | undefined {
  const microseconds = numberIn(join(cgroup, 'cpu.stat'), /^usage_usec (\d+)$/m);
  return microseconds === undefined ? undefined : microseconds / MICROSECONDS;
}

/** Undefined where this kernel, or its configuration, has no such account. */
function numberIn(path: string, pattern: RegExp): number | undefined {
  try {
    const [, digits] = pattern.exec(readFileSync(path, 'utf8')) ?? [];
    return digits === undefined ? undefined : Number(digits);
  } catch {
    return undefined;
  }
}
