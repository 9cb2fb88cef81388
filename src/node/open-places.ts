/**
 * What is secret, or decides what runs, and lies where others on this machine can get at it.
 *
 * Guarantees: nothing is changed, for the right modes are the owner's to know, and none keeps a node from starting; each is told with what to do; a group that
 * this user needs to read a file of somebody else's is no finding; nor is what is not there, or can't be looked at.
 */

import { type Stats, statSync } from 'node:fs';
import type { Logger } from 'pino';
import {
  type ConnectionSettings,
  parseConnectionString,
} from '../runtime/event-store/eventstoredb/connection/connection-string.js';
import { localTokenFile } from './access/access-file.js';
import type { ConfigSource, LoadedConfig } from './config/config.js';
import { EMBEDDED, type NodeConfig } from './config/node-section.js';
import { type Finding, sentenceOf } from './findings.js';

interface Place {
  readonly key: readonly string[];
  /** Goes before its path. */
  readonly called?: string;
  readonly path: string | undefined;
  /** What others must not have. Default: anything. */
  readonly bits?: number;
  /** Goes behind what to do. */
  readonly beside?: string;
}

const ALL = 0o077;
/** What somebody else owns this user may need the group for: to read a file, and to write in a directory. */
const FILE_OF_ANOTHER = 0o027;
const DIRECTORY_OF_ANOTHER = 0o007;
const CHANGED_BY_ANYBODY = 0o002;

/** What a node reads and writes. */
export function openPlacesOfNode(config: NodeConfig, source: ConfigSource | undefined): readonly Finding[] {
  const { data, store, store_credentials_file: credentials, tls } = config;
  const { userKeyFile } = settingsOf(store);
  return findingsOf([
    { key: ['data'], called: 'data directory ', path: data },
    { key: ['data'], path: localTokenFile(data), beside: 'a start makes it anew' },
    { key: ['tls', 'key'], path: tls.key },
    { key: ['tls', 'client_ca'], path: tls.client_ca, bits: CHANGED_BY_ANYBODY },
    { key: ['store_credentials_file'], path: credentials },
    { key: ['store'], called: 'userKeyFile ', path: userKeyFile },
    source?.hasPassword === true
      ? { key: [], called: 'the password in ', path: source.path }
      : { key: [], path: source?.path, bits: CHANGED_BY_ANYBODY },
  ]);
}

/** What is shown to a node by who calls it. */
export function openPlacesOfCaller({ token_file: token, tls }: NodeConfig): readonly Finding[] {
  return findingsOf([
    { key: ['token_file'], path: token },
    { key: ['tls', 'client_key'], path: tls.client_key },
    { key: ['tls', 'ca'], path: tls.ca, bits: CHANGED_BY_ANYBODY },
  ]);
}

/** To be called once at a start. */
export function tellOpenPlacesOfNode({ config, source }: LoadedConfig, logger: Logger): void {
  tell(openPlacesOfNode(config, source), logger);
}

/** The same for what is started beside a node, or elsewhere. */
export function tellOpenPlacesOfCaller({ config }: LoadedConfig, logger: Logger): void {
  tell(openPlacesOfCaller(config), logger);
}

function tell(findings: readonly Finding[], logger: Logger): void {
  for (const finding of findings) logger.warn({ key: finding.path.join('.') }, sentenceOf(finding));
}

function settingsOf(store: string): Partial<ConnectionSettings> {
  return store === EMBEDDED ? {} : parseConnectionString(store);
}

function findingsOf(places: readonly Place[]): Finding[] {
  const own = process.getuid?.();
  // Where nobody has a number, modes say nothing.
  return own === undefined ? [] : places.flatMap((place) => findingOf(place, own) ?? []);
}

function findingOf({ key, called = '', path, bits = ALL, beside }: Place, own: number): Finding | undefined {
  const found = path === undefined ? undefined : statsOf(path);
  if (path === undefined || found === undefined) return undefined;
  const ofAnother = found.isDirectory() ? DIRECTORY_OF_ANOTHER : FILE_OF_ANOTHER;
  const isOwn = found.uid === own;
  const open = found.mode & bits & (isOwn ? ALL : ofAnother);
  if (open === 0) return undefined;
  const mode = (found.mode & 0o777).toString(8).padStart(3, '0');
  const alone = `chmod ${found.isDirectory() ? '700' : '600'} ${path}`;
  // Who may only read it by those bits could not read it any more.
  const ofOwner = isOwn ? alone : `chown ${own} ${path} and ${alone}`;
  const advice = bits === CHANGED_BY_ANYBODY ? `chmod o-w ${path}` : ofOwner;
  const text = `${called}${path} can be ${whatOthersCan(open)} by others (mode ${mode}); ${advice}`;
  return { path: key, text: beside === undefined ? text : `${text}; ${beside}`, isRemark: true };
}

function whatOthersCan(open: number): string {
  const can = [(open & 0o044) === 0 ? [] : ['read'], (open & 0o022) === 0 ? [] : ['changed']].flat();
  return can.length === 0 ? 'entered' : can.join(' and ');
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
