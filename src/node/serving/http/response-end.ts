/**
 * When a response is over, and how it is cut off.
 *
 * Guarantee: whoever asks hears of the end of every response, also of one that waited behind others on its connection: node:http
 * tells such a one nothing when its connection breaks, and does not destroy it either.
 */

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What is to be done when a connection is gone. One listener for all of it: many requests may come on one connection. */
const onConnections = new WeakMap<Socket, Set<() => void>>();

/** Once: its peer has been given all of it, or is gone. At once where that is so already. */
export function whenOver(response: ServerResponse, ended: () => void): void {
  const { socket } = response.req;
  if (response.closed || socket.closed) {
    ended();
    return;
  }
  const waiting = waitingOn(socket);
  const end = () => {
    if (waiting.delete(end)) ended();
  };
  waiting.add(end);
  response.once('close', end);
}

/** With all that comes behind it on its connection. */
export function cutOff(response: ServerResponse): void {
  response.req.socket.destroy();
}

/** Aborts when it is over. @param others what ends it besides */
export function overOf(response: ServerResponse, others: readonly AbortSignal[] = []): AbortSignal {
  const gone = new AbortController();
  whenOver(response, () => gone.abort());
  return others.length === 0 ? gone.signal : AbortSignal.any([gone.signal, ...others]);
}

function waitingOn(socket: Socket): Set<() => void> {
  const known = onConnections.get(socket);
  if (known !== undefined) return known;
  const waiting = new Set<() => void>();
  onConnections.set(socket, waiting);
  socket.once('close', () => {
    for (const end of waiting) end();
  });
  return waiting;
}
