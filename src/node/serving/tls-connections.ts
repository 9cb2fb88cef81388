/**
 * TLS on connections that owl has taken itself (connections.ts): shakes hands, and passes on what is said within.
 *
 * Guarantees: nothing of a connection is passed on before hands were shaken; who does not, or says nothing then, is cut off in
 * time; what a caller has shown of itself is known for as long as its connection is there; a certificate that changes counts for
 * connections that begin then.
 */

import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { ShownCertificate } from '../access/access.js';
import { connectionOf } from './connections.js';
import type { PeersCertificate } from './peers-certificate.js';
import type { ServerTls } from './server-tls.js';

export interface TlsConnectionsOptions {
  readonly tls: ServerTls;
  /** What is agreed to be spoken within, `h2`. */
  readonly protocol: string;
  readonly accept: (socket: TLSSocket) => void;
  readonly logger: Logger;
  /** Milliseconds for shaking hands, and then for the first word. Default 10,000. */
  readonly quietMs?: number | undefined;
}

const QUIET_MS = 10_000;
const TOLD_EVERY_MS = 60_000;

export class TlsConnections {
  private readonly options: TlsConnectionsOptions;
  private readonly server: Server;
  /** By connection. */
  private readonly shown = new Map<string, PeersCertificate>();
  private failed = { toldAt: Number.NEGATIVE_INFINITY, more: 0 };

  constructor(options: TlsConnectionsOptions) {
    this.options = options;
    const { tls, protocol, quietMs = QUIET_MS } = options;
    this.server = createServer({
      ...tls.options,
      ALPNProtocols: [protocol],
      handshakeTimeout: quietMs,
    });
    this.server.on('secureConnection', (socket) => this.pass(socket, quietMs));
    this.server.on('tlsClientError', (error, socket) => {
      this.tell(error, socket.remoteAddress);
      socket.destroy();
    });
    tls.follow((changed) => this.server.setSecureContext(changed));
  }

  take(socket: Socket): void {
    this.server.emit('connection', socket);
  }

  /** @param connection as `connectionOf` calls it */
  certificateOf(connection: string): ShownCertificate | undefined {
    return this.shown.get(connection)?.shown();
  }

  private pass(socket: TLSSocket, quietMs: number): void {
    // Whoever is connected hears of a broken connection by its end.
    socket.on('error', () => undefined);
    const connection = connectionOf(socket);
    // It is gone already.
    if (connection === undefined) return void socket.destroy();
    const certificate = this.options.tls.certificateOf(socket);
    // One of the same ends may have been there a moment ago, and its end not be known yet.
    if (certificate === undefined) this.shown.delete(connection);
    else this.shown.set(connection, certificate);
    const silent = setTimeout(() => {
      if (socket.bytesRead === 0) socket.destroy();
    }, quietMs);
    socket.once('close', () => {
      clearTimeout(silent);
      if (this.shown.get(connection) === certificate) this.shown.delete(connection);
    });
    this.options.accept(socket);
  }

  /** Anybody may try, as often as he likes. */
  private tell(error: Error, address: string | undefined): void {
    const now = performance.now();
    if (now - this.failed.toldAt < TOLD_EVERY_MS) {
      this.failed.more += 1;
      return;
    }
    const { more } = this.failed;
    this.failed = { toldAt: now, more: 0 };
    const reason = error.message;
    this.options.logger.warn({ reason, address, more }, 'a connection came to no agreement on TLS');
  }
}
