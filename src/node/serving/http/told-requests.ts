/** Requests of HTTP, told to whoever listens to the node: how each ended. While nobody listens nothing is made of them. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LifeCycle } from '../../../runtime/life-cycle/life-cycle.js';
import { EVENT_STREAM_TYPE } from './event-stream.js';
import { whenOver } from './response-end.js';

/** As they are declared, by how Fastify has them. There are only so many. */
const templates = new Map<string, string>();

export function tellRequest(
  lifeCycle: LifeCycle | undefined,
  { method, routeOptions: { url } }: FastifyRequest,
  { raw }: FastifyReply,
): void {
  if (lifeCycle?.wants('request ended') !== true) return;
  const began = lifeCycle.now();
  whenOver(raw, () => {
    const isStream = String(raw.getHeader('content-type') ?? '').startsWith(EVENT_STREAM_TYPE);
    lifeCycle.tell({
      ...{ type: 'request ended', method, route: url === undefined ? undefined : templateOf(url) },
      status: raw.headersSent ? raw.statusCode : 0,
      tookMs: isStream ? undefined : lifeCycle.now() - began,
    });
  });
}

/** What never became one. */
export function tellNoRequest(lifeCycle: LifeCycle | undefined, status: number): void {
  if (lifeCycle?.wants('request ended') !== true) return;
  lifeCycle.tell({ type: 'request ended', method: '', route: undefined, status, tookMs: undefined });
}

function templateOf(url: string): string {
  const known = templates.get(url);
  if (known !== undefined) return known;
  const template = url.replaceAll(/:(\w+)/g, '{$1}');
  templates.set(url, template);
  return template;
}
