/** What holds of every log, whatever its events mean: positions grow, revisions have no holes, an id stands once in a stream. */

import type { Found, StoredEvent } from './stored-event.js';
import type { Violations } from './violations.js';

export class LogOrder {
  /** Revision of the last event, by stream. */
  readonly ends = new Map<string, number>();
  private readonly ids = new Map<string, Set<string>>();
  private readonly violations: Violations;
  private position = -1n;

  constructor(violations: Violations) {
    this.violations = violations;
  }

  take({ stream, revision, position }: Found): void {
    if (position <= this.position)
      this.violations.add('positions-grow', stream, `position ${position} follows ${this.position}`);
    this.position = position;
    const end = this.ends.get(stream) ?? -1;
    if (revision !== end + 1)
      this.violations.add('revision-holes', stream, `revision ${revision} follows ${end}`);
    this.ends.set(stream, Math.max(end, revision));
  }

  noteId({ stream, revision, id }: StoredEvent): void {
    const ids = this.ids.get(stream) ?? new Set();
    if (ids.has(id)) this.violations.add('event-ids', stream, `${id} again at revision ${revision}`);
    ids.add(id);
    this.ids.set(stream, ids);
  }
}
