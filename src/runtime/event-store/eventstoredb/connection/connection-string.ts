/**
 * Reads `esdb://[user:password@]host[:port][,host…][?option=value&…]`. Guarantees that no message names the user or the
 * password, or repeats any part of the string that could hold them.
 *
 * `esdb://` with one host is that node; with several hosts, or as `esdb+discover://`, the hosts are asked who leads.
 */

import { OwlError } from '../../../../base/errors.js';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface ConnectionSettings {
  readonly hosts: readonly Endpoint[];
  /** Ask the hosts for the leader's address instead of taking the only host for it. */
  readonly discover: boolean;
  readonly tls: boolean;
  readonly credentials?: Credentials;
  /** Paths of PEM files: the authority that signed the nodes' certificates; a user's certificate and its key. */
  readonly tlsCaFile?: string;
  readonly userCertFile?: string;
  readonly userKeyFile?: string;
  /** How the connection is called in the server's log. */
  readonly connectionName?: string;
  /** Milliseconds for one call. */
  readonly deadlineMs?: number;
  readonly gossipTimeoutMs: number;
  /** Milliseconds; -1 sends no pings. */
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
}

const DEFAULT_PORT = 2113;
const DEFAULT_GOSSIP_TIMEOUT_MS = 3_000;
const DEFAULT_KEEP_ALIVE_MS = 10_000;

/** Options that other clients know and that decide nothing here: this adapter retries by its own rules. */
const WITHOUT_EFFECT = new Set(['maxdiscoverattempts', 'discoveryinterval', 'throwonappendfailure']);

/** @throws OwlError kind `invalid` that says which part is wrong */
export function parseConnectionString(text: string): ConnectionSettings {
  const match = /^(?<scheme>esdb(?:\+discover)?):\/\/(?<authority>[^/?]*)\/?(?:\?(?<query>.*))?$/su.exec(
    text.trim(),
  );
  const { scheme, authority, query = '' } = match?.groups ?? {};
  if (scheme === undefined || authority === undefined) {
    throw invalid(
      'it must be esdb:// or esdb+discover://, user:password@ if there is one, hosts, and ?options; in user and password, write / ? @ % percent-encoded',
    );
  }
  const at = authority.lastIndexOf('@');
  const hosts = authority
    .slice(at + 1)
    .split(',')
    .map(parseHost);
  return {
    hosts,
    discover: scheme === 'esdb+discover' || hosts.length > 1,
    ...(at < 0 ? {} : { credentials: parseCredentials(authority.slice(0, at), 'the connection string') }),
    ...parseOptions(query),
  };
}

/** The same string for logs: without user and password. Hides too much rather than too little. */
export function redact(text: string): string {
  return text.replace(/:\/\/.*@/su, '://***@');
}

/**
 * The rule that a connection string breaks on a command line; undefined when it breaks none.
 * @param file what names the file that they belong into
 */
export function whyNotInArguments(text: string, file: string): string | undefined {
  if (!hasCredentials(text)) return undefined;
  return `must name no user and password on the command line, which others can see; put them into a file (${file})`;
}

/** Whether it names a user and a password; also when in doubt. */
export function hasCredentials(text: string): boolean {
  try {
    return parseConnectionString(text).credentials !== undefined;
  } catch {
    return redact(text) !== text;
  }
}

/**
 * `user:password`, both percent-encoded when they come in a connection string.
 * @param source what it came from, for the message
 */
export function parseCredentials(
  text: string,
  source: string,
  decode: (part: string, name: string) => string = percentDecode,
): Credentials {
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1) {
    throw new OwlError('invalid', `${source} must give a user and a password as user:password`);
  }
  return {
    user: decode(text.slice(0, colon), 'user'),
    password: decode(text.slice(colon + 1), 'password'),
  };
}

export function formatEndpoint({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function parseHost(text: string, index: number): Endpoint {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<name>[A-Za-z0-9._-]+))(?::(?<port>\d{1,5}))?$/.exec(text);
  const host = match?.groups?.['v6'] ?? match?.groups?.['name'];
  const port = Number(match?.groups?.['port'] ?? DEFAULT_PORT);
  if (host === undefined || port < 1 || port > 65_535) {
    throw invalid(`host ${index + 1} is not a name or an address with a port from 1 to 65535`);
  }
  return { host, port };
}

function parseOptions(query: string): Omit<ConnectionSettings, 'hosts' | 'discover' | 'credentials'> {
  const options = new Map<string, string>();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const [, key, value] = /^([A-Za-z_-]+)=(.+)$/su.exec(pair) ?? [];
    if (key === undefined || value === undefined) {
      throw invalid('its options must be option=value, joined by &');
    }
    options.set(key.toLowerCase().replace(/[_-]/g, ''), percentDecode(value, key));
  }
  const known = readOptions(options);
  for (const key of options.keys()) {
    if (!WITHOUT_EFFECT.has(key)) throw invalid(`it has the option ${key}, which is unknown`);
  }
  return known;
}

/** Takes the options it knows out of the map. */
function readOptions(
  options: Map<string, string>,
): Omit<ConnectionSettings, 'hosts' | 'discover' | 'credentials'> {
  const take = (key: string): string | undefined => {
    const value = options.get(key);
    options.delete(key);
    return value;
  };
  if ((take('nodepreference') ?? 'leader').toLowerCase() !== 'leader') {
    throw invalid(
      'nodePreference must be leader: owl reads what it has just written, and others may lag behind',
    );
  }
  if (!flag('tlsVerifyCert', take('tlsverifycert'))) {
    throw invalid(
      'tlsVerifyCert can not be turned off; name the authority that signed the certificates as tlsCaFile',
    );
  }
  const tlsCaFile = take('tlscafile');
  const userCertFile = take('usercertfile');
  const userKeyFile = take('userkeyfile');
  const connectionName = take('connectionname');
  const deadlineMs = milliseconds('defaultDeadline', take('defaultdeadline'), 1);
  const gossipTimeoutSeconds = milliseconds('gossipTimeout', take('gossiptimeout'), 1);
  if ((userCertFile === undefined) !== (userKeyFile === undefined)) {
    throw invalid('userCertFile and userKeyFile belong together');
  }
  return {
    tls: flag('tls', take('tls')),
    ...(tlsCaFile === undefined ? {} : { tlsCaFile }),
    ...(userCertFile === undefined ? {} : { userCertFile }),
    ...(userKeyFile === undefined ? {} : { userKeyFile }),
    ...(connectionName === undefined ? {} : { connectionName }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    gossipTimeoutMs:
      gossipTimeoutSeconds === undefined ? DEFAULT_GOSSIP_TIMEOUT_MS : gossipTimeoutSeconds * 1_000,
    keepAliveIntervalMs:
      milliseconds('keepAliveInterval', take('keepaliveinterval'), -1) ?? DEFAULT_KEEP_ALIVE_MS,
    keepAliveTimeoutMs:
      milliseconds('keepAliveTimeout', take('keepalivetimeout'), -1) ?? DEFAULT_KEEP_ALIVE_MS,
  };
}

function flag(option: string, value: string | undefined): boolean {
  if (value === undefined || value === 'true') return true;
  if (value === 'false') return false;
  throw invalid(`${option} must be true or false`);
}

function milliseconds(option: string, value: string | undefined, least: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < least) {
    throw invalid(`${option} must be a whole number from ${least}`);
  }
  return number;
}

function percentDecode(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(
      `its ${name} has a % that is not followed by two hexadecimal digits; write % itself as %25`,
    );
  }
}

function invalid(rule: string): OwlError {
  return new OwlError('invalid', `the EventStoreDB connection string can't be used: ${rule}`);
}
