/** The requests of each connection that are not over. */

import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { whenOver } from './response-end.js';

export class UnderWay {
  private readonly on = new WeakMap<Duplex, Set<ServerResponse>>();

  /** @returns how many there were before on its connection */
  begin(response: ServerResponse): number {
    const { socket } = response.req;
    const all = this.on.get(socket) ?? new Set();
    const others = all.size;
    this.on.set(socket, all.add(response));
    whenOver(response, () => all.delete(response));
    return others;
  }

  /** Whether all of a request has come, or a part of its answer has gone: what is written now would be taken for that answer. */
  owesOn(connection: Duplex): boolean {
    return [...(this.on.get(connection) ?? [])].some(({ headersSent, req }) => headersSent || req.complete);
  }
}
