/**
 * The books of one look at what waits: who uses which cache, and what is promised on each file system, to running plots and
 * to waiting ones that come first.
 *
 * Guarantee: only the first to wait for a cache or a file system has something set aside. So whoever is first can't be
 * delayed by those after it, and a long queue for one cache does not keep the others idle.
 */

import type { CacheDirectory, RunningPlot, SpaceUse } from './claims.js';

export class Books {
  private readonly users = new Tally<string>();
  private readonly running = new Tally<number>();
  private readonly earlier = new Tally<number>();
  private readonly gains = new Tally<number>();
  private readonly awaited = new Set<string | number>();

  constructor(running: readonly RunningPlot[]) {
    for (const plot of running) this.enter(plot, this.running);
  }

  /** Counts a plot that comes first as if it ran. */
  take(plot: RunningPlot): void {
    this.enter(plot, this.earlier);
  }

  /** Takes what is wanted, unless somebody before waits already for a part of what is lacking. */
  setAside(wanted: RunningPlot, lacking: RunningPlot): void {
    const names = [
      ...lacking.caches.map(({ id }) => id),
      ...lacking.needs.map(({ fileSystem }) => fileSystem),
    ];
    if (names.some((name) => this.awaited.has(name))) return;
    for (const name of names) this.awaited.add(name);
    this.take(wanted);
  }

  plotsWith({ id }: CacheDirectory): number {
    return this.users.of(id);
  }

  /** Bytes that running plots will still use. */
  promisedToRunning({ fileSystem }: SpaceUse): number {
    return this.running.of(fileSystem);
  }

  /** Bytes that waiting plots are to have which come first. */
  promisedToEarlier({ fileSystem }: SpaceUse): number {
    return this.earlier.of(fileSystem);
  }

  /** How much more than now is free when all of them have ended. */
  gainOn({ fileSystem }: SpaceUse): number {
    return this.gains.of(fileSystem);
  }

  private enter({ caches, needs }: RunningPlot, promised: Tally<number>): void {
    for (const { id } of caches) this.users.add(id, 1);
    for (const { fileSystem, bytes, gain } of needs) {
      promised.add(fileSystem, bytes);
      this.gains.add(fileSystem, gain);
    }
  }
}

class Tally<Key> {
  private readonly sums = new Map<Key, number>();

  add(key: Key, amount: number): void {
    this.sums.set(key, this.of(key) + amount);
  }

  of(key: Key): number {
    return this.sums.get(key) ?? 0;
  }
}
