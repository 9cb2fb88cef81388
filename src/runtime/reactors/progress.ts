/**
 * Which of an event's commands are settled, by their places in what the reactor gave for it.
 *
 * Guarantee: it is as large as what is under way or has failed, however many commands there are.
 */

export class Progress {
  /** In order of index: places are taken in order, and those that failed keep theirs. */
  private readonly open = new Set<number>();
  private next: number;

  /** @param settled all below this place are settled */
  constructor(settled = 0) {
    this.next = settled;
  }

  /** All below this place are settled. */
  get settled(): number {
    const [first = this.next] = this.open;
    return first;
  }

  /** False when the command at this place is settled. */
  take(index: number): boolean {
    if (index < this.next) return this.open.has(index);
    this.next = index + 1;
    this.open.add(index);
    return true;
  }

  settle(index: number): void {
    this.open.delete(index);
  }
}
