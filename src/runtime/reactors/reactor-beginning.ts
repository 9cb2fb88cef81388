/**
 * Where a reactor begins: at its first start on this node, and again when the store no longer holds what it has reacted to
 * (docs/decisions/0017-a-store-that-was-restored.md).
 *
 * Guarantees: where it begins is decided once and stored; what was stored by then, or comes later, is left out only by a
 * reactor that is to begin at `now`, and where other nodes of the store have done it: then what they have parked is parked
 * here as well. A node that is itself behind the others goes on where they are, if they have done all from where it is. A reactor that
 * follows a category more than before begins again where it began at first, for it has not seen that category's events.
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
  const { reader, reactor, store, checkpoints, mark } = options;
  const categories = categoriesOf(reactor);
  const saved = checkpoints.read(reader);
  if (saved?.version === LOST) {
    const position = isFromStart(reactor) ? START : await whereItBegan(store, saved);
    beginAgain(position, saved, options, 'the event store was restored or replaced');
  } else if (saved === undefined) {
    if (mark !== undefined && (mark.began === START || !isFromStart(reactor)))
      goOnAt(mark, mark.began, options);
    else beginAt(isFromStart(reactor) ? START : await store.head(), options);
  } else {
    // Of before this was kept.
    const { began = isFromStart(reactor) ? START : saved.position, categories: taken = categories } = saved;
    const isWiderNow = categories.some((category) => !taken.includes(category));
    const first = isFromStart(reactor) ? START : began;
    const known = isWiderNow ? first : saved.position;
    if (mark !== undefined && mark.began <= known && known < mark.last.position)
      goOnAt(mark, isWiderNow ? first : began, options);
    else if (isWiderNow) beginAgain(first, saved, options, 'it follows more categories than before');
    else if (saved.began !== began || saved.categories?.join() !== categories.join())
      checkpoints.putBeginning(reader, began, categories);
  }
}

/** Sorted. */
export function categoriesOf({ categories }: Reactor): readonly string[] {
  return categories.toSorted();
}

function isFromStart({ startFrom }: Reactor): boolean {
  return startFrom !== 'now';
}

function beginAt(position: Position, { reader, reactor, db, checkpoints }: BeginningOptions): void {
  db.transaction(() => {
    checkpoints.putFirst(reader, beginningAt(position));
    checkpoints.putBeginning(reader, position, categoriesOf(reactor));
  });
}

/** @param why the end of a sentence */
function beginAgain(position: Position, saved: Checkpoint, options: BeginningOptions, why: string): void {
  const { reader, reactor, db, checkpoints, parked, expansions, logger } = options;
  const dropped = parked.count(reader);
  // A restored store may end before: what is told of that is told of its next loss as well.
  const began = position === START ? START : (saved.began ?? position);
  db.transaction(() => {
    checkpoints.put(reader, beginningAt(position));
    checkpoints.putBeginning(reader, began, categoriesOf(reactor));
    parked.clear(reader);
    expansions.clear();
  });
  logger.warn(
    { reactor: reactor.name, position, parkedDropped: dropped },
    `the reactor begins again, since ${why}`,
  );
}

function goOnAt(mark: MarkValue, began: Position, options: BeginningOptions): void {
  const { reader, reactor, db, checkpoints, parked, logger } = options;
  const { last, parked: elsewhere } = mark;
  const { position } = last;
  db.transaction(() => {
    checkpoints.put(reader, { version: REACTOR_VERSION, position, last });
    checkpoints.putBeginning(reader, began, categoriesOf(reactor));
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
