/**
 * What a client of a node shows and believes: the token it sends with each call, and TLS.
 *
 * Guarantees: a token goes with calls alone, never into a message, a log or a command line; one whose file is written anew is
 * shown from then on within a second; with TLS nothing is sent before the node has shown a certificate that is believed, by its
 * name, or, on this machine, because it is the very one that the node's configuration names.
 */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkServerIdentity, createSecureContext, rootCertificates } from 'node:tls';
import { type ChannelCredentials, type ChannelOptions, credentials, Metadata } from '@grpc/grpc-js';
import { parseAddress } from '../base/address.js';
import { messageOf, OwlError } from '../base/errors.js';
import { targetNameFor } from '../base/grpc-connections.js';
import { systemErrorCode } from '../base/system-error.js';
import { readAuthorities, readCertificateAndKey } from '../base/tls-files.js';

export interface ClientCredentials {
  /** Undefined: plain text. */
  readonly tls?: ClientTls | undefined;
  readonly token?: TokenSource | undefined;
}

/** Files. */
export interface ClientTls {
  /** Authorities that are believed beside those that everybody believes. */
  readonly ca?: string | undefined;
  /** What the client shows of itself; both or none. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The certificate that a node on this machine shows. */
  readonly own?: string | undefined;
}

export interface TokenSource {
  /** Its first line is the token. */
  readonly file: string;
  /** Where it is missing the calls go without one. */
  readonly isOptional?: boolean;
  /** Asked each time that the file is read: while it may not, the calls go without one. Default: it may. */
  mayBeShown?(): boolean;
}

const READ_EVERY_MS = 1_000;
const TOKEN = /^[\x21-\x7e]{1,4096}$/;

/**
 * @param server HOST:PORT as it is called
 * @throws OwlError kind `invalid` that names the key of the configuration and the file
 */
export function channelCredentials(tls: ClientTls | undefined, server: string): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { ca, cert, key, own } = tls;
  if ((cert === undefined) !== (key === undefined))
    throw new OwlError('invalid', 'tls.client_cert and tls.client_key go together; name both or none');
  const shown =
    cert === undefined || key === undefined
      ? undefined
      : readCertificateAndKey({ key: 'tls.client_cert', path: cert }, { key: 'tls.client_key', path: key });
  const ownCertificate = own === undefined ? undefined : readAuthorities({ key: 'tls.cert', path: own });
  const believed = [
    ...(ca === undefined ? rootCertificates : [readAuthorities({ key: 'tls.ca', path: ca })]),
    ...(ownCertificate === undefined ? [] : [ownCertificate]),
  ];
  const context = createSecureContext({
    ...(shown === undefined ? {} : { cert: shown.cert, key: shown.key }),
    ca: believed,
    allowPartialTrustChain: true,
    minVersion: 'TLSv1.2',
  });
  return credentials.createFromSecureContext(context, {
    checkServerIdentity: (named, shownByNode) => {
      if (own !== undefined && isOwn(own, shownByNode.raw)) return undefined;
      return checkServerIdentity(parseAddress(server)?.host ?? named, shownByNode);
    },
  });
}

/** @param server HOST:PORT as it is called */
export function channelOptions(server: string): ChannelOptions {
  return targetNameFor(parseAddress(server)?.host ?? '');
}

/** Read anew, since a node changes its certificate while it runs. */
function isOwn(path: string, shown: Buffer): boolean {
  try {
    return new X509Certificate(readFileSync(path)).raw.equals(shown);
  } catch {
    return false;
  }
}

export class Token {
  private readonly source: TokenSource | undefined;
  private token: string | undefined;
  private readAt = Number.NEGATIVE_INFINITY;

  /** @throws OwlError kind `invalid` when the file has to be there and holds no token */
  constructor(source: TokenSource | undefined) {
    this.source = source;
    this.read();
  }

  /** Whether calls are sent with one. */
  get isThere(): boolean {
    return this.token !== undefined;
  }

  /** To be sent with one call. */
  metadata(): Metadata {
    const metadata = new Metadata();
    if (this.source === undefined) return metadata;
    this.readAgain();
    if (this.token !== undefined) metadata.set('authorization', `Bearer ${this.token}`);
    return metadata;
  }

  private readAgain(): void {
    if (performance.now() - this.readAt < READ_EVERY_MS) return;
    try {
      this.read();
    } catch {
      // It is being written anew; what was read last is as good as none.
    }
  }

  private read(): void {
    if (this.source === undefined) return;
    const { file, isOptional = false } = this.source;
    this.readAt = performance.now();
    if (this.source.mayBeShown?.() === false) {
      this.token = undefined;
      return;
    }
    try {
      const [line = ''] = readFileSync(file, 'utf8').split('\n');
      const token = line.trim();
      if (!TOKEN.test(token)) throw new Error('its first line is no token');
      this.token = token;
    } catch (error) {
      if (isOptional && systemErrorCode(error) === 'ENOENT') this.token = undefined;
      else if (!isOptional)
        throw new OwlError('invalid', `token_file: ${file} can't be used: ${messageOf(error)}`, {
          cause: error,
        });
    }
  }
}
