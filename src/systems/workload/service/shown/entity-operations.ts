/** How what is asked and ordered of entities of every kind is declared: each part says only what differs. */

import type { z } from 'zod';
import { flag, text, whole } from '../../../../node/operations/fields.js';
import { type HttpRoute, type Operation, operation } from '../../../../node/operations/operation.js';
import { entityEvent, entityOrder, entityRequest } from './entity-messages.js';

export const READERS = ['reader', 'submitter', 'worker', 'operator'] as const;
export const ORDERERS = ['submitter', 'operator'] as const;
const LARGEST_PAGE = 1_000;

/** What every list can be asked for. */
export const PAGE = {
  page_size: whole(1, LARGEST_PAGE, { description: 'Default 100.' }).optional(),
  page_token: text(undefined, { description: 'next_page_token of the page before.' }).optional(),
  newest_first: flag().optional(),
};

/** The proto's service and the method in it. */
type Named = Pick<Operation, 'service' | 'name' | 'summary'> & Pick<HttpRoute, 'path'>;

/** Whoever may read may ask it. */
export function query<Request extends z.ZodObject, Answer extends z.ZodObject>({
  path,
  ...declared
}: Named & Pick<Operation<Request, Answer>, 'request' | 'answer' | 'isStream'>): Operation<Request, Answer> {
  return operation({ kind: 'query', roles: READERS, http: { method: 'GET', path }, ...declared });
}

/** @param path of the entity: `/tasks/{id}`; @param noun `task` */
export function history(
  declared: Pick<Named, 'service' | 'name' | 'path'>,
  noun: string,
): Operation<typeof entityRequest, typeof entityEvent> {
  return historyOf({ ...declared, request: entityRequest }, noun);
}

/** The same of what is named otherwise. */
export function historyOf<Request extends z.ZodObject>(
  { path, ...declared }: Pick<Named, 'service' | 'name' | 'path'> & { readonly request: Request },
  noun: string,
): Operation<Request, typeof entityEvent> {
  return query({
    ...declared,
    path: `${path}/history`,
    summary: `What happened to one ${noun}, oldest first.`,
    isStream: true,
    answer: entityEvent,
  });
}

/** An order about one entity: who it is about, why, and the id of the order. Its answer is the entity as it is then. */
export function order<Answer extends z.ZodObject>({
  path,
  success,
  ...declared
}: Named & Pick<Operation, 'roles'> & Pick<HttpRoute, 'success'> & { readonly answer: Answer }): Operation<
  typeof entityOrder,
  Answer
> {
  return operation({
    kind: 'decision',
    http: { method: 'POST', path, ...(success === undefined ? {} : { success }) },
    request: entityOrder,
    commandId: 'command_id',
    ...declared,
  });
}
