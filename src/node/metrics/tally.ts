/**
 * Counts of what happens, kept until they are scraped.
 *
 * Guarantees: counting is a look-up and an addition; what is declared is told from the start, as 0; however many different things are
 * counted beside that, a tally keeps so many apart and no more, and counts the others together as `other`.
 */

import { Durations, type Labels, type Sample, type TimedSample } from './samples.js';

/** Rows of one tally beside those that were declared. */
const MOST_ROWS = 500;
const OTHER = 'other';

/** The rest of what a counter declares that is told by a tally. */
export function counter(labels: readonly string[], tally: Tally) {
  return { type: 'counter', labels, samples: () => tally.samples(labels) } as const;
}

/** The same of a histogram without labels. */
export function histogram(durations: Durations) {
  return { type: 'histogram', samples: () => [{ durations }] } as const;
}

/** Values under one or two labels. */
class Rows<Row> {
  private readonly byFirst = new Map<string, Map<string, Row>>();
  private readonly make: () => Row;
  private undeclared = 0;
  /** Once there are too many. */
  private others: Row | undefined;

  constructor(make: () => Row) {
    this.make = make;
  }

  at(first: string, second: string): Row {
    return this.byFirst.get(first)?.get(second) ?? this.add(first, second);
  }

  know(first: string, second: string): void {
    if (this.byFirst.get(first)?.has(second) !== true) this.put(first, second);
  }

  all<Told>([one = '', two]: readonly string[], tell: (labels: Labels, row: Row) => Told): Told[] {
    const told: Told[] = [];
    for (const [first, rows] of this.byFirst)
      for (const [second, row] of rows)
        told.push(tell(two === undefined ? { [one]: first } : { [one]: first, [two]: second }, row));
    return told;
  }

  private add(first: string, second: string): Row {
    // With one label there is no second one.
    if (this.undeclared >= MOST_ROWS) this.others ??= this.put(OTHER, second === '' ? '' : OTHER);
    this.undeclared += 1;
    return this.others ?? this.put(first, second);
  }

  private put(first: string, second: string): Row {
    const rows = this.byFirst.get(first) ?? new Map<string, Row>();
    const row = rows.get(second) ?? this.make();
    this.byFirst.set(first, rows.set(second, row));
    return row;
  }
}

interface Count {
  count: number;
}

export class Tally {
  private readonly rows = new Rows<Count>(() => ({ count: 0 }));

  /** @param known pairs that are told as 0 from the start, so that the first of them is seen as an increase */
  constructor(known: Iterable<readonly [first: string, second?: string]> = []) {
    for (const [first, second] of known) this.know(first, second);
  }

  /** As one that is told from now on, as 0 until it is counted. */
  know(first: string, second = ''): void {
    this.rows.know(first, second);
  }

  add(first: string, second = '', more = 1): void {
    this.rows.at(first, second).count += more;
  }

  /** @param names of its labels, one or two */
  samples(names: readonly string[]): Sample[] {
    return this.rows.all(names, (labels, { count }) => ({ labels, value: count }));
  }
}

export class DurationsBy {
  private readonly rows: Rows<Durations>;

  constructor(bounds?: readonly number[]) {
    this.rows = new Rows(() => new Durations(bounds));
  }

  /** As those that are told from now on, as none until one is observed. */
  know(first: string, second = ''): void {
    this.rows.know(first, second);
  }

  observe(first: string, second: string, tookMs: number): void {
    this.rows.at(first, second).observe(tookMs);
  }

  /** @param names of its labels, one or two */
  samples(names: readonly string[]): TimedSample[] {
    return this.rows.all(names, (labels, durations) => ({ labels, durations }));
  }
}
