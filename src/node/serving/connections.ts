/**
 * The connections of a server: who may connect, and how they end.
 *
 * Guarantees: there are at most so many; one on which nothing is said is closed; of one address (of IPv6: one network) there are at
 * most so many on which nobody was let in yet; a further one takes the place of the eldest of these, and where all places are taken
 * that of the eldest of any address, so that who is let in gets through however many others try, from wherever;
 * stopping is bounded, whatever is connected: calls under way get their grace, then every connection is cut, one that never spoke
 * HTTP/2 as well.
 *
 * Why not the server's own listening: it counts nothing, and waits for a connection without a session for as long as that stays.
 */

import { lookup } from 'node:dns/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from 'pino';
import { type Address, formatAddress, parseAddress } from '../../base/address.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { systemErrorCode } from '../../base/system-error.js';
import { networkOf } from './peers-network.js';

export interface ConnectionsOptions {
  readonly accept: (socket: Socket) => void;
  readonly logger: Logger;
  /** Default 20,000. */
  readonly most?: number;
  /** Of one address, or network of IPv6, on which nobody was let in. Default 256. */
  readonly mostOfNobody?: number;
  /** Milliseconds in which something has to be said on a new one. Default 10,000. */
  readonly quietMs?: number;
  /** Told how many there are, after each change. */
  readonly changed?: (connections: number) => void;
}

/** The two ends of a connection. */
export interface Ends {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

const MOST = 20_000;
const MOST_OF_NOBODY = 256;
const QUIET_MS = 10_000;

export class Connections {
  private readonly options: ConnectionsOptions;
  private readonly listening: Server[] = [];
  private readonly sockets = new Map<string, Socket>();
  /** Those on which nobody was let in, with where they come from, the eldest first. */
  private readonly ofNobody = new Map<string, string>();
  /** The same by where they come from. */
  private readonly ofNobodyFrom = new Map<string, Set<string>>();
  private refused = 0;

  constructor(options: ConnectionsOptions) {
    this.options = options;
  }

  /**
   * @param listen HOST:PORT; a name is listened on at all its addresses
   * @returns the port: the one that was free where none was given
   * @throws OwlError kind `refused` when the address can't be bound, saying why
   */
  async listen(listen: string): Promise<number> {
    try {
      const address = parseAddress(listen);
      if (address === undefined) throw new Error('it is no HOST:PORT');
      let { port } = address;
      for (const host of await addressesOf(address)) port = await this.bind({ host, port });
      return port;
    } catch (error) {
      await this.close();
      throw notListening(listen, error);
    }
  }

  /** @param connection as `connectionOf` calls it */
  cut(connection: string): void {
    this.sockets.get(connection)?.destroy();
  }

  /** Somebody who may ask, or who need not say who he is, has asked on it. */
  letIn(connection: string): void {
    this.forgetNobody(connection);
  }

  /** No new ones are taken. Resolves when all are gone, for which they have so many milliseconds. */
  async close(graceMs = 0): Promise<void> {
    // Who has said nothing waits for nothing: browsers connect in advance.
    for (const socket of this.sockets.values()) if (socket.bytesRead === 0) socket.destroy();
    const late = setTimeout(() => {
      for (const socket of this.sockets.values()) socket.destroy();
    }, graceMs);
    const closed = this.listening.splice(0).map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
        }),
    );
    await Promise.all(closed);
    clearTimeout(late);
  }

  private bind(address: Address): Promise<number> {
    return new Promise((resolve, reject) => {
      const server = createServer({ noDelay: true }, (socket) => this.take(socket));
      server.once('error', reject);
      server.listen({ host: address.host, port: address.port }, () => {
        server.off('error', reject);
        server.on('error', (error) =>
          this.options.logger.error({ err: error }, 'connections can not be taken'),
        );
        this.listening.push(server);
        const bound = server.address();
        if (typeof bound === 'object' && bound !== null) resolve(bound.port);
        else reject(new Error(`${formatAddress(address)} has no port`));
      });
    });
  }

  private take(socket: Socket): void {
    const { most = MOST, quietMs = QUIET_MS, accept, logger, changed } = this.options;
    // Whoever is connected hears of a broken connection by its end.
    socket.on('error', () => undefined);
    const connection = connectionOf(socket);
    // It is gone already.
    if (connection === undefined) return void socket.destroy();
    if (this.sockets.size >= most && !this.makeRoom()) {
      socket.destroy();
      this.refused += 1;
      if (this.refused === 1)
        logger.error({ most }, 'too many connections: new ones are refused until some of these have ended');
      return;
    }
    this.sockets.set(connection, socket);
    changed?.(this.sockets.size);
    this.noteNobody(networkOf(socket.remoteAddress ?? ''), connection);
    const silent = setTimeout(() => {
      if (socket.bytesRead === 0) socket.destroy();
    }, quietMs);
    socket.once('close', () => {
      clearTimeout(silent);
      // Who is quick begins anew from the same port before the end of this is known.
      if (this.sockets.get(connection) !== socket) return;
      this.sockets.delete(connection);
      this.forgetNobody(connection);
      changed?.(this.sockets.size);
      this.refused = 0;
    });
    accept(socket);
  }

  /** @returns whether there is room now: who was let in makes none */
  private makeRoom(): boolean {
    const [eldest] = this.ofNobody.keys();
    if (eldest === undefined) return false;
    this.giveWay(eldest);
    return true;
  }

  private noteNobody(from: string, connection: string): void {
    const { mostOfNobody = MOST_OF_NOBODY } = this.options;
    // As the youngest.
    this.forgetNobody(connection);
    const others = this.ofNobodyFrom.get(from) ?? new Set<string>();
    this.ofNobodyFrom.set(from, others.add(connection));
    this.ofNobody.set(connection, from);
    const [eldest] = others;
    if (others.size > mostOfNobody && eldest !== undefined) this.giveWay(eldest);
  }

  /** Its place is free at once, not only when it is closed. */
  private giveWay(connection: string): void {
    this.forgetNobody(connection);
    this.cut(connection);
    this.sockets.delete(connection);
    this.options.changed?.(this.sockets.size);
  }

  private forgetNobody(connection: string): void {
    const from = this.ofNobody.get(connection);
    if (from === undefined) return;
    this.ofNobody.delete(connection);
    const others = this.ofNobodyFrom.get(from);
    others?.delete(connection);
    if (others?.size === 0) this.ofNobodyFrom.delete(from);
  }
}

/** No other has the same at the same time: one peer may connect from one port to several addresses. Undefined for one that is gone. */
export function connectionOf({
  remoteAddress,
  remotePort,
  localAddress,
  localPort,
}: Ends): string | undefined {
  if (remoteAddress === undefined || localAddress === undefined) return undefined;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** All of a name: `localhost` is reached by IPv4 and IPv6. */
export async function addressesOf({ host }: Address): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return [...new Set(found.map(({ address }) => address))];
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'it is in use by another process'],
  ['EADDRNOTAVAIL', 'this machine has no such address'],
  ['EACCES', 'this user may not listen there'],
]);

export function notListening(listen: string, error: unknown): OwlError {
  const reason = REASONS.get(systemErrorCode(error) ?? '') ?? messageOf(error);
  return new OwlError('refused', `can't listen on ${listen}: ${reason}; choose another address`, {
    cause: error,
  });
}
