/** What happened to one entity, whatever people named it by. */

import type { AnyStateMachine } from 'xstate';
import { DamagedStreamError } from '../../base/errors.js';
import type { ActorType } from '../../runtime/actors/actor-type.js';
import { eventMessageOf, historyOf } from '../serving/history.js';
import type { EntityEvent } from './entity-messages.js';
import type { EntityRows, EntityStreams } from './entity-rows.js';
import { type EntityTable, findEntity } from './entity-table.js';

/** @throws OwlError kind `not_found` */
export async function* entityHistory<M extends AnyStateMachine>(
  context: EntityRows & EntityStreams,
  { type, table }: { readonly type: ActorType<M>; readonly table: EntityTable },
  id: string,
): AsyncGenerator<EntityEvent> {
  await context.readYourWrites();
  const uid = String(findEntity(context.db, table, id)[table.uid]);
  yield* storedHistory(context, { type, noun: table.noun }, uid);
}

/**
 * What can't be read ends it, and is told in its place.
 * @param uid of a stream
 * @throws OwlError kind `not_found` where nothing was ever stored of it
 */
export async function* storedHistory<M extends AnyStateMachine>(
  { runtime: { store, system } }: EntityStreams,
  { type, noun }: { readonly type: ActorType<M>; readonly noun: string },
  uid: string,
): AsyncGenerator<EntityEvent> {
  const asked = { store, system, type, id: uid, from: 0, noun, problemOf: () => undefined };
  try {
    for await (const event of historyOf(asked)) {
      const { revision, type: name, time, data, by, causation_id: command_id } = eventMessageOf(event);
      yield { revision, type: name, time, data, by, command_id };
    }
  } catch (error) {
    if (!(error instanceof DamagedStreamError)) throw error;
    yield { revision: error.revision, problem: error.message };
  }
}
