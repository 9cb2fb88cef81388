/**
 * Which workers have, or had, a supervisor that attaches: a task of any other may wait for ever, and nobody would tell why.
 * Supervisors of old poll without attaching, so this is a remark and no refusal.
 *
 * Guarantee: who attached here is known at once; who did so at another node, once that was applied. To ask costs a look into a
 * set, as long as no supervisor comes or goes.
 */

import type { SqlRow } from '../../../../base/sql.js';
import { closest } from '../../../../base/suggestion.js';
import type { RecordedEvent } from '../../../../runtime/event-store/event-store.js';

/** Named in one sentence. */
const MOST_NAMED = 10;
const MOST_TOLD = 1_000;

interface Known {
  /** Ever. */
  readonly ids: Set<string>;
  /** Those that have not left. */
  readonly there: readonly string[];
  /** Sentences by worker. */
  readonly told: Map<string, string>;
}

export class KnownSupervisors {
  private readonly read: () => readonly SqlRow[];
  private readonly attached = new Set<string>();
  private known: Known | undefined;

  /** @param read the rows of `supervisors` */
  constructor(read: () => readonly SqlRow[]) {
    this.read = read;
  }

  /** To be called with the events that were just applied to `supervisors`. */
  observe(events: readonly RecordedEvent[]): void {
    if (events.length > 0) this.known = undefined;
  }

  /** One has attached at this node; its row may not be there yet. */
  add(workerId: string): void {
    this.attached.add(workerId);
    this.known = undefined;
  }

  /** That there has never been one of this worker, and which there are, for people; undefined when there was. */
  absenceOf(workerId: string): string | undefined {
    if (this.attached.has(workerId)) return undefined;
    this.known ??= this.load();
    const { ids, there, told } = this.known;
    if (ids.has(workerId)) return undefined;
    const known = told.get(workerId);
    if (known !== undefined) return known;
    const absence =
      ids.size === 0 && this.attached.size === 0
        ? 'no supervisor has attached yet'
        : `no supervisor has attached as worker ${workerId}; ${listOf(there, workerId)}`;
    // Who orders names the workers.
    if (told.size >= MOST_TOLD) told.clear();
    told.set(workerId, absence);
    return absence;
  }

  private load(): Known {
    const rows = this.read();
    const idOf = (row: SqlRow) => String(row['worker_id']);
    const there = rows.filter(({ status }) => status !== 'detached').map(idOf);
    return { ids: new Set(rows.map(idOf)), there, told: new Map() };
  }
}

/** @param meant comes first when it looks like one of them */
function listOf(ids: readonly string[], meant: string): string {
  if (ids.length === 0) return 'there is none now';
  const nearest = closest(meant, ids);
  const sorted = nearest === undefined ? ids : [nearest, ...ids.filter((id) => id !== nearest)];
  const more = ids.length - MOST_NAMED;
  return `there are ${sorted.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
