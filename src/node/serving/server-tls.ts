/**
 * The certificate and key that a node shows, and the authorities that say who its callers are: for gRPC and for HTTP.
 *
 * Guarantees: a node does not start with files that are missing, do not belong together or do not count now, and says which key
 * names them; files that are written anew count within a second, for connections that begin then, and those that there are stay;
 * while what was written anew can't be used, what was there before goes on to count and the log says why; the log says in time,
 * and again once it is so, that the certificate runs out; what a caller shows is looked at with each connection, since no session
 * of before is resumed.
 */

import { constants, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import { fileMark } from '../../base/file-mark.js';
import type { Releasers } from '../../base/releasers.js';
import { every } from '../../base/repeat.js';
import {
  assertValidAt,
  type NamedFile,
  readAuthorities,
  readCertificateAndKey,
} from '../../base/tls-files.js';
import { ToldFailures } from '../../base/told-failures.js';
import { certificateOn, type PeersCertificate } from './peers-certificate.js';

const LOOK_EVERY_MS = 1_000;
const TOLD_BEFORE_MS = 14 * 24 * 3_600_000;

/** The keys of the configuration. */
export interface TlsPaths {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly client_ca?: string | undefined;
}

/** As node:tls and node:https take them. */
export interface TlsOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Of callers. */
  readonly ca?: Buffer;
  readonly requestCert: boolean;
  /** Who shows a bad certificate is told so by the answer, not by a connection that breaks. */
  readonly rejectUnauthorized: false;
  readonly minVersion: 'TLSv1.2';
  /** Resumed sessions count with what was found when they began. */
  readonly secureOptions: number;
}

export interface ServerTlsOptions {
  readonly paths: TlsPaths;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly releasers: Releasers;
}

interface Loaded {
  readonly options: TlsOptions;
  readonly certificate: X509Certificate;
}

/** @returns undefined for plain text. @throws OwlError kind `invalid` that names the key and the file */
export function openServerTls(options: ServerTlsOptions): ServerTls | undefined {
  const files = filesOf(options.paths);
  return files === undefined ? undefined : new ServerTls(files, options);
}

/** What `openServerTls` would refuse, without opening anything. @param now Unix milliseconds. @throws as that */
export function checkServerTls(paths: TlsPaths, now: number): void {
  const files = filesOf(paths);
  if (files !== undefined) load(files, now);
}

function filesOf({ cert, key, client_ca: clientCa }: TlsPaths): Files | undefined {
  if (cert === undefined && key === undefined && clientCa === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw new OwlError(
      'invalid',
      'tls.cert and tls.key go together, and tls.client_ca wants both; name them',
    );
  return {
    cert: { key: 'tls.cert', path: cert },
    key: { key: 'tls.key', path: key },
    clientCa: clientCa === undefined ? undefined : { key: 'tls.client_ca', path: clientCa },
  };
}

interface Files {
  readonly cert: NamedFile;
  readonly key: NamedFile;
  readonly clientCa: NamedFile | undefined;
}

export class ServerTls {
  private readonly files: Files;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly failures: ToldFailures;
  private readonly followers: ((options: TlsOptions) => void)[] = [];
  private loaded: Loaded;
  private mark: string;

  constructor(files: Files, { clock, logger, releasers }: ServerTlsOptions) {
    this.files = files;
    this.clock = clock;
    this.logger = logger;
    this.failures = new ToldFailures(logger);
    this.mark = markOf(files);
    this.loaded = load(files, clock.now());
    const stopping = new AbortController();
    releasers.add('watch over certificates', () => stopping.abort());
    void every({ clock, pauseMs: LOOK_EVERY_MS, signal: stopping.signal }, () => this.look());
  }

  get options(): TlsOptions {
    return this.loaded.options;
  }

  /** What a caller has shown of itself; undefined where it has shown nothing. */
  certificateOf(socket: TLSSocket): PeersCertificate | undefined {
    return certificateOn(socket, this.clock);
  }

  /** Told of what counts from now on, whenever it changes. */
  follow(changed: (options: TlsOptions) => void): void {
    this.followers.push(changed);
  }

  private look(): void {
    this.lookWhetherItRunsOut();
    const mark = markOf(this.files);
    if (mark === this.mark) return;
    try {
      this.loaded = load(this.files, this.clock.now());
      // Only then: certificate and key are written one after the other, and may be whole a moment later.
      this.mark = mark;
      for (const changed of this.followers) changed(this.loaded.options);
      this.failures.forget('files');
      const { subject, validTo } = this.loaded.certificate;
      this.logger.info({ subject, validTo }, 'another certificate counts from now on');
    } catch (error) {
      this.failures.tell(
        'files',
        error,
        'the certificate was changed and can not be used; the one before counts on',
      );
    }
  }

  private lookWhetherItRunsOut(): void {
    const { validTo } = this.loaded.certificate;
    const left = Date.parse(validTo) - this.clock.now();
    if (left > TOLD_BEFORE_MS) {
      this.failures.forget('end');
      return;
    }
    const how = left > 0 ? 'runs out soon' : 'has run out: nobody who looks at it calls this node';
    const { key, path } = this.files.cert;
    const reason = new OwlError(
      'unavailable',
      `${key}: the certificate in ${path} ${how} (${validTo}); renew it`,
    );
    this.failures.tell('end', reason, `the certificate ${how}`);
  }
}

function load({ cert, key, clientCa }: Files, now: number): Loaded {
  const own = readCertificateAndKey(cert, key);
  assertValidAt(own.certificate, cert, now);
  const ca = clientCa === undefined ? undefined : readAuthorities(clientCa);
  return {
    certificate: own.certificate,
    options: {
      ...{ cert: own.cert, key: own.key, requestCert: ca !== undefined },
      ...(ca === undefined ? {} : { ca }),
      ...{ rejectUnauthorized: false, minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET },
    },
  };
}

/** What the files look like. */
function markOf({ cert, key, clientCa }: Files): string {
  const marks = [cert, key, clientCa].map((file) => {
    if (file === undefined) return '';
    try {
      return fileMark(file.path);
    } catch {
      return 'gone';
    }
  });
  return marks.join('\n');
}
