/** All that is left to chance in a run, from its seed. */

import { randomFrom } from '../support/random.js';

export class Dice {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = randomFrom(seed);
  }

  /** One for a part of its own: what others draw does not change what it draws. */
  apart(): Dice {
    return new Dice(Math.floor(this.next() * 2 ** 32));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number, both ends inclusive. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** @throws TypeError for an empty list */
  pick<T>(list: readonly T[]): T {
    const found = list[this.whole(0, list.length - 1)];
    if (found === undefined) throw new TypeError('there is nothing to pick from');
    return found;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const left = [...list];
    const shuffled: T[] = [];
    while (left.length > 0) shuffled.push(...left.splice(this.whole(0, left.length - 1), 1));
    return shuffled;
  }

  /** A 128-bit name in hex. */
  name(): string {
    return Array.from({ length: 4 }, () =>
      this.whole(0, 2 ** 32 - 1)
        .toString(16)
        .padStart(8, '0'),
    ).join('');
  }

  uuid(): string {
    return this.name().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }
}
