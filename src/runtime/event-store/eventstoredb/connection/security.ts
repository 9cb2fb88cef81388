/**
 * Certificates and credentials of a connection. Files are read again for every new connection, and a denial makes a new one, so
 * that what was renewed is used without a restart. Guarantees that no message holds the content of a file, and that a password never leaves over
 * a connection without TLS.
 */

import { readFile } from 'node:fs/promises';
import { checkServerIdentity } from 'node:tls';
import { ChannelCredentials } from '@grpc/grpc-js';
import { messageOf, OwlError } from '../../../../base/errors.js';
import { type ConnectionSettings, type Credentials, parseCredentials } from './connection-string.js';

export interface Security {
  /** For a channel to that host: what it shows has to be for its name or address. */
  channelTo(host: string): ChannelCredentials;
  /** The value of the authorization header. */
  readonly authorization?: string;
}

/**
 * @param credentialsFile its first line is `user:password`, as they are, not percent-encoded
 * @throws OwlError kind `invalid` when a file can't be read or makes no sense
 */
export async function loadSecurity(
  settings: ConnectionSettings,
  credentialsFile?: string,
): Promise<Security> {
  if (!settings.tls) return { channelTo: () => ChannelCredentials.createInsecure() };
  const [authority, certificate, key, fromFile] = await Promise.all([
    readPem('tlsCaFile', settings.tlsCaFile),
    readPem('userCertFile', settings.userCertFile),
    readPem('userKeyFile', settings.userKeyFile),
    readCredentials(credentialsFile),
  ]);
  const credentials = fromFile ?? settings.credentials;
  const channelTo = (host: string) => createTls(host, authority, key, certificate);
  // Files that make no sense are told now.
  channelTo('localhost');
  return {
    channelTo,
    ...(credentials === undefined ? {} : { authorization: basicAuthorization(credentials) }),
  };
}

function createTls(
  host: string,
  authority: Buffer | null,
  key: Buffer | null,
  certificate: Buffer | null,
): ChannelCredentials {
  try {
    return ChannelCredentials.createSsl(authority, key, certificate, {
      checkServerIdentity: (_name, shown) => checkServerIdentity(host, shown),
    });
  } catch (error) {
    throw new OwlError(
      'invalid',
      'the certificates for EventStoreDB can not be used: tlsCaFile, userCertFile and userKeyFile must be PEM files',
      { cause: error },
    );
  }
}

function basicAuthorization({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
}

async function readPem(option: string, path: string | undefined): Promise<Buffer | null> {
  return path === undefined ? null : readOrExplain(option, path);
}

async function readCredentials(path: string | undefined): Promise<Credentials | undefined> {
  if (path === undefined) return undefined;
  const [line = ''] = (await readOrExplain('the credentials file', path)).toString('utf8').split(/\r?\n/);
  return parseCredentials(line, `the first line of ${path}`, (part) => part);
}

async function readOrExplain(what: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new OwlError('invalid', `${what} can't be read: ${messageOf(error)}`, { cause: error });
  }
}
