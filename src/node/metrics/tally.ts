/**
 * Counts of what happens, kept until they are scraped.
 *
 * Guarantees: counting is a look-up and an addition; however many different things are counted, a tally keeps so many apart and no
 * more, and counts the others together as `other`.
 */

import { Durations, type Labels, type Sample, type TimedSample } from './samples.js';

/** Rows of one tally. What is declared comes nowhere near it. */
const MOST_ROWS = 500;
const OTHER = 'other';

/** Values under one or two labels. */
class Rows<Row> {
  private readonly byFirst = new Map<string, Map<string, Row>>();
  private readonly make: () => Row;
  private size = 0;
  /** Once there are too many. */
  private others: Row | undefined;

  constructor(make: () => Row) {
    this.make = make;
  }

  at(first: string, second: string): Row {
    return this.byFirst.get(first)?.get(second) ?? this.add(first, second);
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
    if (this.size >= MOST_ROWS) this.others ??= this.put(OTHER, second === '' ? '' : OTHER);
    return this.others ?? this.put(first, second);
  }

  private put(first: string, second: string): Row {
    const rows = this.byFirst.get(first) ?? new Map<string, Row>();
    const row = rows.get(second) ?? this.make();
    this.byFirst.set(first, rows.set(second, row));
    this.size += 1;
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
    for (const [first, second] of known) this.add(first, second, 0);
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

  observe(first: string, second: string, tookMs: number): void {
    this.rows.at(first, second).observe(tookMs);
  }

  /** @param names of its labels, one or two */
  samples(names: readonly string[]): TimedSample[] {
    return this.rows.all(names, (labels, durations) => ({ labels, durations }));
  }
}
