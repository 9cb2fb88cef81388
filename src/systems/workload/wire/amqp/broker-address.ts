/**
 * Where a broker is and who one is there.
 *
 * Guarantee: the password comes from a file alone, which is read anew for each connection; it stands in no address, message or log.
 */

import { readFileSync } from 'node:fs';
import type { Options } from 'amqplib';
import { messageOf, OwlError } from '../../../../base/errors.js';
import { readAuthorities } from '../../../../base/tls-files.js';

export const BROKER_RULE =
  'must be amqp://[USER@]HOST[:PORT][/VHOST] or amqps://…, without a password: that is read from workload.broker_password_file';

export interface BrokerPlace {
  /** As `BROKER_RULE` has it. */
  readonly url: string;
  readonly passwordFile?: string | undefined;
  /** Authorities that a broker's certificate may be of, of `amqps`. Left out: those that everybody believes. */
  readonly caFile?: string | undefined;
}

/** Below a fifth of what the other end may be silent for. */
const HEARTBEAT_SECONDS = 15;
/** Whom brokers know when they are new; on their own machine only. */
const GUEST = 'guest';

export function isBrokerUrl(text: string): boolean {
  return parse(text) !== undefined;
}

/** @throws OwlError kind `invalid` that names the key of the configuration */
export function connectOptions({ url, passwordFile, caFile }: BrokerPlace): {
  readonly connect: Options.Connect;
  readonly socket: { readonly ca?: Buffer };
} {
  const parts = parse(url);
  if (parts === undefined) throw new OwlError('invalid', `workload.broker: ${BROKER_RULE}`);
  const { protocol, hostname, port, vhost, username } = parts;
  return {
    connect: {
      ...{ protocol, hostname, vhost, username: username ?? GUEST, heartbeat: HEARTBEAT_SECONDS },
      ...(port === undefined ? {} : { port }),
      password: passwordFile === undefined ? GUEST : passwordIn(passwordFile),
    },
    socket:
      caFile === undefined || protocol !== 'amqps'
        ? {}
        : { ca: readAuthorities({ key: 'workload.broker_ca_file', path: caFile }) },
  };
}

function parse(text: string) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '' || url.password !== '') return undefined;
  if (url.protocol !== 'amqp:' && url.protocol !== 'amqps:') return undefined;
  if (url.search !== '' || url.hash !== '' || url.pathname.slice(1).includes('/')) return undefined;
  const vhost = url.pathname.slice(1);
  const decoded = [url.username, vhost].map(decodedText);
  const [username, name] = decoded;
  if (username === undefined || name === undefined) return undefined;
  return {
    protocol: url.protocol.slice(0, -1),
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? undefined : Number(url.port),
    // Decoded once more by who connects.
    vhost: name === '' ? '/' : vhost,
    username: username === '' ? undefined : username,
  };
}

function decodedText(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function passwordIn(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const what = `workload.broker_password_file: ${file} can't be read: ${messageOf(error)}`;
    throw new OwlError('invalid', what, { cause: error });
  }
  const [password = ''] = text.split(/\r?\n/, 1);
  if (password !== '') return password;
  throw new OwlError('invalid', `workload.broker_password_file: the first line of ${file} is empty`);
}
