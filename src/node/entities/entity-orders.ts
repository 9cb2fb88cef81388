/**
 * How orders about entities are carried out, and how one is made.
 *
 * Guarantees: what is ordered is answered once it is durable and the rows show it; the id of an order is known for a day, and refused
 * for another one. An entity that is made under the id of an order has an id that follows from it, so the same order again is about the
 * same entity; of one that is there nothing is looked at again, and the order gets its first answer.
 */

import { randomUUID } from 'node:crypto';
import type { AnyStateMachine, SnapshotFrom } from 'xstate';
import { asUuid, uuidOf } from '../../base/uuid.js';
import type { ActorSystem } from '../../runtime/actors/actor-system.js';
import type { ActorType, DomainEvent } from '../../runtime/actors/actor-type.js';
import type { JsonObject } from '../../runtime/event-store/event-store.js';
import type { Asking } from '../operations/operation.js';
import type { EntityRows } from './entity-rows.js';
import type { EntityTable } from './entity-table.js';

type Context = EntityRows & { readonly system: ActorSystem };
type Decision<M extends AnyStateMachine> = (snapshot: SnapshotFrom<M>) => readonly DomainEvent[];

interface Asked {
  /** Of the operation. */
  readonly name: string;
  /** The id of the order, where the caller gave one. */
  readonly commandId: string | undefined;
}

export interface EntityOrder<M extends AnyStateMachine> extends Asked {
  readonly type: ActorType<M>;
  /** The uid of the entity, once the rows hold all that this node has acknowledged. @throws OwlError kind `not_found` */
  find(): string;
  /** What the order asks for: under its id nothing else may be asked for. */
  content(uid: string): JsonObject;
  decide(uid: string): Decision<M>;
  /** What storing it has to wait for. Default: nothing. */
  readonly through?: <T>(uid: string, store: () => Promise<T>) => Promise<T>;
}

/** @returns the uid of the entity, whose row shows the order */
export async function carryOutOrder<M extends AnyStateMachine>(
  { system, readYourWrites }: Context,
  asking: Asking,
  { type, name, commandId, find, content, decide, through = (_uid, store) => store() }: EntityOrder<M>,
): Promise<string> {
  await readYourWrites();
  const uid = find();
  const asked = commandId === undefined ? {} : { id: commandId, asks: { name, content: content(uid) } };
  const { duplicate } = await through(uid, () =>
    system.execute(type, uid, { ...asked, by: asking.who, decide: decide(uid) }),
  );
  asking.repeated(duplicate);
  await readYourWrites();
  return uid;
}

export interface NewEntity<M extends AnyStateMachine, Order> extends Asked {
  readonly type: ActorType<M>;
  readonly table: EntityTable;
  /** What its uid follows from, with the id of the order: `owl/workload/task/1`. */
  readonly seed: string;
  /** As the caller gave it; it has passed the rule of `uid`. */
  readonly given: string | undefined;
  /** Without what names the order or the entity. What is undefined in it was not asked for. */
  readonly content: object;
  /** Looks at what is asked for. @throws what refuses it */
  read(uid: string): Order;
  /** @param order undefined where the entity is there */
  decide(snapshot: SnapshotFrom<M>, uid: string, order: Order | undefined): readonly DomainEvent[];
  /** What belongs to it and is to be there before it is answered. */
  follow?(uid: string, snapshot: SnapshotFrom<M>): Promise<void>;
}

/** @returns the uid of the entity, whose row is there */
export async function makeEntity<M extends AnyStateMachine, Order>(
  { system, db, readYourWrites }: Context,
  asking: Asking,
  order: NewEntity<M, Order>,
): Promise<string> {
  const { type, table, name, commandId: id } = order;
  const uid = uidOf(order);
  const content: JsonObject = JSON.parse(JSON.stringify(order.content));
  await readYourWrites();
  const isThere = db.prepare(`SELECT 1 FROM ${table.table} WHERE ${table.uid} = ?`).get(uid) !== undefined;
  const read = isThere ? undefined : order.read(uid);
  const { duplicate, snapshot } = await system.execute(type, uid, {
    ...(id === undefined ? {} : { id, asks: { name, content } }),
    by: asking.who,
    decide: (found) => order.decide(found, uid, read),
  });
  asking.repeated(duplicate);
  await order.follow?.(uid, snapshot);
  await readYourWrites();
  return uid;
}

function uidOf({ given, commandId, seed }: Pick<NewEntity<never, never>, 'given' | 'commandId' | 'seed'>) {
  if (given !== undefined) return asUuid(given);
  return commandId === undefined ? randomUUID() : uuidOf(`${seed}/${commandId}`);
}
