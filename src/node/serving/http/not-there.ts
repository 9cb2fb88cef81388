/** What is answered where no route is: another method of what is there, or nothing at all. */

import type { FastifyRequest } from 'fastify';
import type { OwlError } from '../../../base/errors.js';
import type { SystemRoutes } from './operation-routes.js';
import { OWN_PAGES } from './own-pages.js';
import { HttpError } from './problem.js';

export interface Template {
  readonly method: string;
  readonly matches: RegExp;
}

const OWN: readonly Template[] = OWN_PAGES.map((page) => ({
  method: 'GET',
  matches: new RegExp(`^${page.replaceAll('.', '\\.')}$`),
}));

export function templatesOf({ name, operations }: SystemRoutes): Template[] {
  return operations.map(({ operation: { http } }) => ({
    method: http.method,
    matches: new RegExp(`^/api/v1/${name}${http.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
  }));
}

/** Another method of what is there, or nothing at all. */
export function notThere({ method, url }: FastifyRequest, templates: readonly Template[]): OwlError {
  const [path = ''] = url.split('?');
  const there = [...OWN, ...templates].filter(({ matches }) => matches.test(path));
  if (there.length === 0)
    return new HttpError(404, 'there is nothing here; /openapi.json lists what there is', {
      kind: 'not_found',
    });
  const allow = [...new Set(there.map((one) => one.method))].join(', ');
  return new HttpError(405, `${method} is nothing that can be done here; there is ${allow}`, {
    headers: { allow },
  });
}
