/**
 * Whether the event store still is the one that this node has read. One that was restored from a backup, emptied or replaced
 * lacks events that read models, timers and reactors rest on, and what is stored in it from then on may stand at positions
 * that they have behind them.
 *
 * Guarantees: a reader that was checked goes on behind events that the store holds, at their places, whatever else the store
 * has taken since; where one is missing, that is told in the log once, and everything that was read is given up, for
 * all readers at once and durably; whoever listens hears of it before any reader goes on. Events are compared by their
 * places and ids, so one that nobody can read is no less there; nor is one whose stream somebody deleted or cut off since.
 *
 * It rests on two things. A history that holds an event at its position also holds what was before it, since backups are
 * whole. And what this node has read reaches as far as the newest event that any of its readers has taken: a position
 * behind that one proves nothing, so a checkpoint that has moved further, over what is of no interest, is taken back there.
 */

import type { Logger } from 'pino';
import { wait } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import type { Database } from '../../base/sql.js';
import { type EventPlace, type EventStore, type Position, START } from '../event-store/event-store.js';
import { type Checkpoint, CheckpointMovedError, Checkpoints, LOST } from './checkpoints.js';

export interface KnownHistoryOptions {
  readonly store: Pick<EventStore, 'head' | 'holds'>;
  /** Holds the checkpoints. */
  readonly db: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A subscription may have given an event a moment before the store shows it in its stream, on a node that has just become
 * the leader for instance. So an event that isn't there is looked for again before it counts as lost.
 */
const LOOKS = 4;
const BETWEEN_LOOKS_MS = 300;

interface Witness {
  readonly reader: string;
  readonly last: EventPlace;
}

export class KnownHistory {
  private readonly store: KnownHistoryOptions['store'];
  private readonly db: Database;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly checkpoints: Checkpoints;
  private readonly listeners = new Set<() => void>();

  constructor({ store, db, clock, logger }: KnownHistoryOptions) {
    this.store = store;
    this.db = db;
    this.clock = clock;
    this.logger = logger;
    this.checkpoints = new Checkpoints(db);
  }

  /**
   * To be called before a reader goes on, and after every interruption. When it returns, the checkpoint is one to go on
   * from, `LOST`, or not there, unless the signal aborted. Costs the reading of one event or two.
   * @returns up to where the store is known to be the one that was read; the start where nothing tells
   * @throws StoreUnavailableError; whatever the database throws
   */
  async check(reader: string, signal: AbortSignal): Promise<Position> {
    while (!signal.aborted) {
      const own = this.checkpoints.read(reader);
      if (own === undefined || own.version === LOST) return START;
      const newest = this.checkpoints.newest();
      const gone = await this.firstGone(witnesses(reader, own, newest), signal);
      if (gone !== undefined) {
        this.lose(gone);
        continue;
      }
      // Of a checkpoint without its event, from an older database, only this much can be told.
      const end = own.last === undefined ? await this.store.head() : (newest?.last.position ?? START);
      if (own.position <= end || this.takeBack(reader, own, end)) return end;
    }
    return START;
  }

  /**
   * Hears, in the same turn, that everything which was read is given up.
   * @returns takes the listener away again
   */
  onLoss(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private async firstGone(witnesses: readonly Witness[], signal: AbortSignal): Promise<Witness | undefined> {
    for (const witness of witnesses) if (!(await this.holds(witness.last, signal))) return witness;
    return undefined;
  }

  private async holds(event: EventPlace, signal: AbortSignal): Promise<boolean> {
    for (let look = 1; ; look++) {
      if (await this.store.holds(event)) return true;
      if (look === LOOKS) return false;
      await wait(this.clock, BETWEEN_LOOKS_MS, signal);
      if (signal.aborted) return true;
    }
  }

  /** Of several readers that find it out at the same time, one does this. */
  private lose({ reader, last }: Witness): void {
    const isFirst = this.db.transaction(() => {
      const saved = this.checkpoints.read(reader);
      const isSame = typeof saved?.last === 'object' && saved.last.id === last.id;
      if (!isSame || saved.version === LOST) return false;
      this.checkpoints.loseAll();
      return true;
    });
    if (!isFirst) return;
    this.logger.error(
      { reader, missing: last },
      'the event store no longer holds what this node has read from it: it was restored from a backup, emptied or replaced, and what it lacks is gone; read models and timers are built anew from what it holds, and reactors begin again',
    );
    for (const listener of this.listeners) listener();
  }

  /** False when the checkpoint has moved meanwhile. */
  private takeBack(reader: string, own: Checkpoint, to: Position): boolean {
    try {
      this.checkpoints.move(reader, own, to);
      return true;
    } catch (error) {
      if (error instanceof CheckpointMovedError) return false;
      throw error;
    }
  }
}

/** The reader's own last event, and the newest of all where that is another. */
function witnesses(reader: string, { last }: Checkpoint, newest: Witness | undefined): Witness[] {
  const own = typeof last === 'object' ? [{ reader, last }] : [];
  return newest === undefined || newest.last.id === own[0]?.last.id ? own : [...own, newest];
}
