/**
 * Tasks as peers are shown them, for answers and streams that show many.
 *
 * Guarantees: a row that has changed is read once for all who watch it, and encoded once; one that nothing changes is encoded
 * once per revision, as long as there is room to keep it; what changes by itself (the time that a running plot still takes, a
 * problem with its history) is not kept.
 */

import { KeptLately } from '../../../../base/kept-lately.js';
import type { SqlRow } from '../../../../base/sql.js';
import type { RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { idOf } from '../../../../runtime/event-store/event-store.js';
import type { PlotTaskStatus } from '../../wire/messages.js';

export interface ShownTasksOptions {
  readonly read: (taskId: string) => SqlRow | undefined;
  readonly show: (row: SqlRow) => PlotTaskStatus;
  /** Milliseconds that only grow. */
  readonly now: () => number;
  /** What is shown of it follows from the row alone; asked of the beginning of a row as well. */
  readonly isStill: (row: SqlRow) => boolean;
  /** What is shown of it besides and may change without it. */
  readonly beside?: (row: SqlRow) => string | undefined;
  readonly encode: (message: PlotTaskStatus) => Buffer;
  /** Encoded rows that are kept. Default 64 MiB. */
  readonly keptBytes?: number;
}

interface Kept {
  readonly revision: number;
  readonly beside: string | undefined;
  readonly bytes: Buffer;
}

interface Encoded {
  readonly bytes: Buffer;
  readonly at: number;
}

/** For so long what changes by itself may be shown as it was. */
const FRESH_MS = 1_000;
const KEPT_BYTES = 64 * 1024 * 1024;
/** Rows that have changed lately. */
const MOST_ROWS = 1_000;

export class ShownTasks {
  private readonly options: ShownTasksOptions;
  private readonly rows = new Map<string, SqlRow | undefined>();
  private readonly encoded = new WeakMap<SqlRow, Encoded>();
  /** By task. Those that were encoded last stay. */
  private readonly kept: KeptLately<string, Kept>;

  constructor(options: ShownTasksOptions) {
    this.options = options;
    const { keptBytes: limit = KEPT_BYTES } = options;
    this.kept = new KeptLately({ limit, weightOf: ({ bytes }) => bytes.length });
  }

  /** To be called with the events that were just applied, before anybody is told of them. */
  changed(events: readonly RecordedEvent[]): void {
    if (this.rows.size > MOST_ROWS) this.rows.clear();
    for (const { stream } of events) this.rows.delete(idOf(stream));
  }

  /** The row as it is now. */
  get(taskId: string): SqlRow | undefined {
    const known = this.rows.get(taskId);
    if (known !== undefined) return known;
    const row = this.options.read(taskId);
    if (row !== undefined) this.rows.set(taskId, row);
    return row;
  }

  /**
   * The PlotTaskStatus of a task of which the beginning of its row is known; undefined when there is none any more.
   * @param head with `task_id` and `revision`
   */
  encodedFrom(head: SqlRow): Buffer | undefined {
    const known = this.keptOf(head);
    if (known !== undefined) return known;
    const row = this.options.read(String(head['task_id']));
    return row && this.encodedOf(row);
  }

  /** @param row whole */
  encodedOf(row: SqlRow): Buffer {
    const { now, isStill, encode, show, beside } = this.options;
    const isLasting = isStill(row);
    const known = this.encoded.get(row);
    if (known !== undefined && (isLasting || now() - known.at < FRESH_MS)) return known.bytes;
    const kept = this.keptOf(row);
    if (kept !== undefined) return kept;
    const bytes = encode(show(row));
    this.encoded.set(row, { bytes, at: now() });
    if (isLasting)
      this.kept.set(String(row['task_id']), {
        revision: Number(row['revision']),
        beside: beside?.(row),
        bytes,
      });
    return bytes;
  }

  /** @param head what is shown may have begun to change by itself at the same revision: a problem came up */
  private keptOf(head: SqlRow): Buffer | undefined {
    const kept = this.kept.get(String(head['task_id']));
    if (kept === undefined || kept.revision !== head['revision']) return undefined;
    const { isStill, beside } = this.options;
    return isStill(head) && kept.beside === beside?.(head) ? kept.bytes : undefined;
  }
}
