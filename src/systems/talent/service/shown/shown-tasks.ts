/**
 * Tasks as peers are shown them, for answers and streams that show many.
 *
 * Guarantees: a row that has changed is read once for all who watch it, and encoded once; one that nothing changes is encoded
 * once per revision, as long as there is room to keep it, also when what stands beside it changes; what changes by itself (the time that
 * a running plot still takes, a problem with its history) is not kept.
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
  /** What its remarks say where it has none of its own; may change without it. Asked of the beginning of a row as well. */
  readonly beside?: (row: SqlRow) => string | undefined;
  readonly encode: (message: PlotTaskStatus) => Buffer;
  /** Encoded rows that are kept. Default 64 MiB. */
  readonly keptBytes?: number;
}

interface Kept {
  readonly revision: number;
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
const MOST_BESIDE = 1_000;

export class ShownTasks {
  private readonly options: ShownTasksOptions;
  private readonly rows = new Map<string, SqlRow | undefined>();
  private readonly encoded = new WeakMap<SqlRow, Encoded>();
  /** By task. Those that were encoded last stay. */
  private readonly kept: KeptLately<string, Kept>;
  /** Messages by the remarks that are all they have. */
  private readonly besides = new Map<string, Buffer>();

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
    if (known !== undefined) return this.withBeside(head, known);
    const row = this.options.read(String(head['task_id']));
    return row && this.encodedOf(row);
  }

  /** @param row whole */
  encodedOf(row: SqlRow): Buffer {
    return this.withBeside(row, this.aloneOf(row));
  }

  private aloneOf(row: SqlRow): Buffer {
    const { now, isStill, encode, show } = this.options;
    const isLasting = isStill(row);
    const known = this.encoded.get(row);
    if (known !== undefined && (isLasting || now() - known.at < FRESH_MS)) return known.bytes;
    const kept = this.keptOf(row);
    if (kept !== undefined) return kept;
    const bytes = encode(show(row));
    this.encoded.set(row, { bytes, at: now() });
    if (isLasting) this.kept.set(String(row['task_id']), { revision: Number(row['revision']), bytes });
    return bytes;
  }

  /** @param head what is shown may have begun to change by itself at the same revision: a problem came up */
  private keptOf(head: SqlRow): Buffer | undefined {
    const kept = this.kept.get(String(head['task_id']));
    if (kept === undefined || kept.revision !== head['revision']) return undefined;
    return this.options.isStill(head) ? kept.bytes : undefined;
  }

  /** In front: of a field that is there twice the last one counts, so its own remarks do. */
  private withBeside(row: SqlRow, alone: Buffer): Buffer {
    const remarks = this.options.beside?.(row);
    if (remarks === undefined) return alone;
    let message = this.besides.get(remarks);
    if (message === undefined) {
      if (this.besides.size >= MOST_BESIDE) this.besides.clear();
      message = this.options.encode({ remarks });
      this.besides.set(remarks, message);
    }
    return Buffer.concat([message, alone]);
  }
}
