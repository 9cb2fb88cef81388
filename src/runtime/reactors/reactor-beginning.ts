/**
 * Where a reactor begins: at its first start on this node, and again when the store no longer holds what it has reacted to
 * (docs/decisions/0017-a-store-that-was-restored.md).
 *
 * Guarantees: where it begins is decided once and stored; what was stored by then, or comes later, is left out only by a
 * reactor that is to begin at `now`, and where other nodes of the store have done it: then what they have parked is parked
 * here as well. A node that is itself behind the others goes on where they are.
 */

import type { Logger } from 'pino';
import type { Database } from '../../base/sql.js';
import { type EventStore, type Position, START } from '../event-store/event-store.js';
import { type Checkpoint, type Checkpoints, LOST } from '../readers/checkpoints.js';
import type { ParkedEvents } from '../readers/parked-events.js';
import type { Expansions } from './expansions.js';
import { eventOf, type MarkValue } from './mark-value.js';
import type { Reactor } from './reactor.js';

/** A reactor's logic has no version: what it did is done. */
export const REACTOR_VERSION = 1;

export interface BeginningOptions {
  readonly reader: string;
  readonly reactor: Reactor;
  readonly store: EventStore;
  readonly db: Database;
  readonly checkpoints: Checkpoints;
  readonly parked: ParkedEvents;
  readonly expansions: Pick<Expansions, 'clear'>;
  /** How far other nodes are; undefined where nothing tells that can be gone by. */
  readonly mark: MarkValue | undefined;
  readonly logger: Logger;
}

/** Leaves alone a reactor that has begun and whose events are there. @throws what store and database throw */
export async function decideBeginning(options: BeginningOptions): Promise<void> {
  const { reader, reactor, store, db, checkpoints, parked, expansions, mark, logger } = options;
  const saved = checkpoints.read(reader);
  if (saved?.version !== LOST && mark !== undefined && (saved?.position ?? START) < mark.last.position) {
    goOnAt(mark, options);
  } else if (saved === undefined) {
    const position = reactor.startFrom === 'now' ? await store.head() : START;
    checkpoints.putFirst(reader, { ...beginningAt(position), began: position });
  } else if (saved.version === LOST) {
    const position = reactor.startFrom === 'now' ? await whereItBegan(store, saved) : START;
    const dropped = parked.count(reader);
    db.transaction(() => {
      checkpoints.put(reader, beginningAt(position));
      parked.clear(reader);
      expansions.clear();
    });
    logger.warn(
      { reactor: reactor.name, position, parkedDropped: dropped },
      'the reactor begins again, since the event store was restored or replaced',
    );
  }
}

function goOnAt({ last, parked: elsewhere }: MarkValue, options: BeginningOptions): void {
  const { reader, reactor, db, checkpoints, parked, logger } = options;
  const { position } = last;
  db.transaction(() => {
    const at = { version: REACTOR_VERSION, position, last };
    checkpoints.putFirst(reader, { ...at, began: position });
    checkpoints.put(reader, at);
    for (const one of elsewhere) parked.add(reader, eventOf(one), one);
  });
  logger.info(
    { reactor: reactor.name, position, parked: elsewhere.length },
    'the reactor begins where other nodes of the store are',
  );
}

function beginningAt(position: Position): Checkpoint {
  return { version: REACTOR_VERSION, position, last: position === START ? 'none' : undefined };
}

/** Where a restored store does not reach that far, nothing tells its new events from what came before the beginning. */
async function whereItBegan(store: EventStore, { began }: Checkpoint): Promise<Position> {
  const head = await store.head();
  return began !== undefined && began < head ? began : head;
}
