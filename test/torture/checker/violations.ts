/** What the checker has found broken. Guarantee: every one is counted; of each rule the first ones are kept in full. */

const KEPT_OF_EACH_RULE = 20;

/** The promises that are checked, by the name that a report says. */
export type Rule =
  | 'acknowledged-once'
  | 'answered-alike'
  | 'refused-not-stored'
  | 'nobody-ordered'
  | 'revision-holes'
  | 'positions-grow'
  | 'event-ids'
  | 'legal-transitions'
  | 'rows-equal-fold'
  | 'readers-agree'
  | 'unreadable'
  | 'left-behind'
  | 'ended-unasked'
  | 'went-on'
  // Of workload.
  | 'one-living-claim'
  | 'start-of-a-claim'
  | 'told-of-the-living-claim'
  | 'place-in-one-job'
  | 'closed-is-last'
  | 'file-states-add-up'
  | 'final-is-final'
  | 'counts-add-up'
  | 'nothing-behind-cancel'
  | 'cancelled-means-ended'
  | 'outputs-discarded'
  | 'ends-in-time';

export interface Violation {
  readonly rule: Rule;
  /** The stream, task, command, process or file. */
  readonly where: string;
  readonly what: string;
}

export class Violations {
  private readonly kept: Violation[] = [];
  private readonly counts = new Map<Rule, number>();

  add(rule: Rule, where: string, what: string): void {
    const count = (this.counts.get(rule) ?? 0) + 1;
    this.counts.set(rule, count);
    if (count <= KEPT_OF_EACH_RULE) this.kept.push({ rule, where, what });
  }

  get count(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The first of each rule, in the order in which they were found. */
  get list(): readonly Violation[] {
    return this.kept;
  }

  lines(): string[] {
    const more = [...this.counts]
      .filter(([, count]) => count > KEPT_OF_EACH_RULE)
      .map(([rule, count]) => `${rule}: ${count - KEPT_OF_EACH_RULE} more`);
    return [...this.kept.map(({ rule, where, what }) => `${rule}: ${where}: ${what}`), ...more];
  }
}
