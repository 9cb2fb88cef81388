/** What happened to one entity, whatever people named it by. */

import type { AnyStateMachine } from 'xstate';
import type { z } from 'zod';
import { DamagedStreamError } from '../../../../base/errors.js';
import { eventMessageOf, historyOf } from '../../../../node/serving/history.js';
import type { ActorType } from '../../../../runtime/actors/actor-type.js';
import type { WorkloadContext } from '../workload-context.js';
import { type EntityTable, findEntity } from './entities.js';
import type { entityEvent } from './entity-messages.js';

/** What can't be read ends it, and is told in its place. @throws OwlError kind `not_found` */
export async function* entityHistory<M extends AnyStateMachine>(
  { db, runtime: { store, system }, readYourWrites }: WorkloadContext,
  { type, table }: { readonly type: ActorType<M>; readonly table: EntityTable },
  id: string,
): AsyncGenerator<z.input<typeof entityEvent>> {
  await readYourWrites();
  const uid = String(findEntity(db, table, id)[table.uid]);
  const asked = { store, system, type, id: uid, from: 0, noun: table.noun, problemOf: () => undefined };
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
