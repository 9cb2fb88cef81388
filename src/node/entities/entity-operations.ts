/**
 * How what is asked and ordered of entities is declared: a system says only what differs.
 *
 * Guarantee: of every kind of entity the same operations have the same names (`task_status`, `task_list`, `task_watch`, `task_history`,
 * `task_hold`), the same paths (`/tasks/{id}`, `/tasks`, `/tasks/watch`, `/tasks/{id}/history`, `/tasks/{id}/hold`) and the same roles.
 */

import type { z } from 'zod';
import { flag, text, whole } from '../operations/fields.js';
import { type HttpRoute, type Operation, operation } from '../operations/operation.js';
import type { EntityMessages } from './entity-messages.js';

export const READERS = ['reader', 'submitter', 'worker', 'operator'] as const;
export const ORDERERS = ['submitter', 'operator'] as const;
const LARGEST_PAGE = 1_000;

/** What every list can be asked for. @param aPage what is said of how long one is */
export function pageFields(aPage = 'Default 100. A page ends at 3 MiB.') {
  return {
    page_size: whole(1, LARGEST_PAGE, { description: aPage }).optional(),
    page_token: text(undefined, { description: 'next_page_token of the page before.' }).optional(),
    newest_first: flag().optional(),
  };
}

/** The proto's service and the method in it. */
type Named = Pick<Operation, 'service' | 'name' | 'summary'> & Pick<HttpRoute, 'path'>;

/** Whoever may read may ask it. */
export function query<Request extends z.ZodObject, Answer extends z.ZodObject>({
  path,
  ...declared
}: Named & Pick<Operation<Request, Answer>, 'request' | 'answer' | 'isStream'>): Operation<Request, Answer> {
  return operation({ kind: 'query', roles: READERS, http: { method: 'GET', path }, ...declared });
}

/** What happened to one, whatever names it. @param noun `task` */
export function historyOf<Request extends z.ZodObject, Event extends z.ZodObject>(
  { path, event, ...declared }: Omit<Named, 'summary'> & { readonly request: Request; readonly event: Event },
  noun: string,
): Operation<Request, Event> {
  return query({
    ...declared,
    path: `${path}/history`,
    summary: `What happened to one ${noun}, oldest first.`,
    isStream: true,
    answer: event,
  });
}

export interface EntityKind<Answer extends z.ZodObject> {
  readonly messages: EntityMessages;
  /** The full name of the gRPC service. */
  readonly service: string;
  /** `task`: its methods begin with it. */
  readonly noun: string;
  /** `/tasks` */
  readonly path: string;
  /** One of them, as it is told. */
  readonly answer: Answer;
}

/** The operations that a kind of entity may have. The proto file has to have those that are declared. */
export function entityOperations<Answer extends z.ZodObject>(kind: EntityKind<Answer>) {
  const { messages, service, noun, path, answer } = kind;
  const one = `${path}/{id}`;
  const named = (verb: string) => ({ service, name: `${noun}_${verb}` });
  return {
    /** One of them. @param request the messages' `request`, or `look` where one can be seen as it was */
    status: <Request extends z.ZodObject>(summary: string, request: Request) =>
      query({ ...named('status'), path: one, summary, request, answer }),

    /** @param page of them */
    list: <Request extends z.ZodObject, Page extends z.ZodObject>(
      summary: string,
      request: Request,
      page: Page,
    ) => query({ ...named('list'), path, summary, request, answer: page }),

    /** Those that there are, then each that changes. */
    watch: <Request extends z.ZodObject>(summary: string, request: Request) =>
      query({ ...named('watch'), path: `${path}/watch`, summary, request, answer, isStream: true }),

    history: () =>
      historyOf({ ...named('history'), path: one, request: messages.request, event: messages.event }, noun),

    /** An order about one of them: who it is about, why, and the id of the order. Its answer is the entity as it is then. */
    order: (
      verb: string,
      summary: string,
      { roles = ORDERERS, ...http }: Partial<Pick<Operation, 'roles'>> & Pick<HttpRoute, 'success'> = {},
    ): Operation<EntityMessages['order'], Answer> =>
      operation({
        ...named(verb),
        kind: 'decision',
        roles,
        http: { method: 'POST', path: `${one}/${verb}`, ...http },
        summary,
        request: messages.order,
        answer,
        commandId: 'command_id',
      }),
  };
}
