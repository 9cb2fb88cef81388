/**
 * What a start of a node would find on this machine, beside the rules of keys: directories, files that are named, who may ask.
 *
 * Guarantees: nothing is changed, opened for writing or called; each finding names the key that it is about; all of them are told
 * at once. What a start would go on with is a remark, everything else would refuse it.
 */

import { readFileSync } from 'node:fs';
import { formatAddress, parseAddress } from '../base/address.js';
import { messageOf, OwlError } from '../base/errors.js';
import { systemErrorCode } from '../base/system-error.js';
import { assertValidAt, readAuthorities, readCertificateAndKey, readTlsFile } from '../base/tls-files.js';
import {
  type ConnectionSettings,
  parseConnectionString,
} from '../runtime/event-store/eventstoredb/connection/connection-string.js';
import { Token } from '../wire/credentials.js';
import { localTokenFile, readAccess } from './access/access-file.js';
import { isOfBefore, saidAccess } from './access/open-access.js';
import { EMBEDDED, type NodeConfig } from './config/node-section.js';
import { type FoundDirectory, lookAtDataDirectory } from './data-directory.js';
import { assertHistoryIsThere } from './open-store.js';
import { checkServerTls } from './serving/server-tls.js';

export interface Finding {
  /** The key that it is about, or what in a table. */
  readonly path: readonly string[];
  /** For people: what is wrong and what to do. */
  readonly text: string;
  /** A start goes on all the same. */
  readonly isRemark?: boolean;
}

/** @param now Unix milliseconds */
export async function findingsOfNode(config: NodeConfig, now: number): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const look = async <T>(path: readonly string[], act: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof OwlError)) throw error;
      findings.push({ path: keyNamedIn(error.message) ?? path, text: error.message });
      return undefined;
    }
  };
  const directory = await look(['data'], () => lookAtDataDirectory(config.data));
  const isFromBefore = await look(['data'], () => isAccessFromBefore(config, directory));
  const access = await look([config.access === undefined ? 'listen' : 'access'], () =>
    saidAccess(config, isFromBefore ?? isOfBefore(config, directory?.isKnown ?? false)),
  );
  if (access?.warning !== undefined)
    findings.push({ path: ['listen'], text: access.warning, isRemark: true });
  if (directory?.holder !== undefined) findings.push(inUse(config.data, directory.holder));
  if (config.store === EMBEDDED && directory !== undefined)
    await look(['data'], () => assertHistoryIsThere({ path: config.data, ...directory }));
  const { store, store_credentials_file: credentials } = config;
  if (store !== EMBEDDED) {
    const settings = parseConnectionString(store);
    const { tlsCaFile: _ca, userCertFile: _cert, userKeyFile: _key, ...others } = settings;
    // What stands in the connection string is told as that.
    await look(['store'], () => checkServer(settings, undefined));
    await look(['store_credentials_file'], () => checkServer(others, credentials));
  }
  const missing = new Set<string>();
  for (const [name, path] of Object.entries(config.tls)) {
    if (path === undefined) continue;
    const file = await look(['tls', name], () => readTlsFile({ key: `tls.${name}`, path }));
    if (file === undefined) missing.add(name);
  }
  const areThere = (...names: string[]): boolean => names.every((name) => !missing.has(name));
  if (areThere('cert', 'key', 'client_ca'))
    await look(['tls', 'cert'], () => checkServerTls(config.tls, now));
  if (areThere('ca')) await look(['tls', 'ca'], () => checkAuthorities(config.tls.ca));
  if (areThere('client_cert', 'client_key'))
    await look(['tls', 'client_cert'], () => checkShown(config.tls, now));
  if (config.token_file !== undefined)
    await look(['token_file'], () => new Token({ file: config.token_file ?? '' }));
  return [...findings, ...portsTwice(config)];
}

/** Whether nobody has said yet who may ask, in a directory from before one could. */
function isAccessFromBefore(config: NodeConfig, directory: FoundDirectory | undefined): boolean {
  if (directory === undefined) return false;
  const { data } = config;
  const content = readAccess(data);
  const file = localTokenFile(data);
  try {
    readFileSync(file);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT')
      throw new OwlError('unavailable', `${file} can't be read: ${messageOf(error)}`, { cause: error });
  }
  return content?.from_before ?? isOfBefore(config, directory.isKnown);
}

function inUse(data: string, holder: string): Finding {
  const text = `data directory ${data} is in use by ${holder}; a second node there would be refused`;
  return { path: ['data'], text, isRemark: true };
}

async function checkServer(settings: ConnectionSettings, credentialsFile: string | undefined): Promise<void> {
  // Loaded here: most commands need no client of EventStoreDB, which is large.
  const { loadSecurity } = await import('../runtime/event-store/eventstoredb/connection/security.js');
  await loadSecurity(settings, credentialsFile);
}

function checkAuthorities(path: string | undefined): void {
  if (path !== undefined) readAuthorities({ key: 'tls.ca', path });
}

function checkShown({ client_cert: cert, client_key: key }: NodeConfig['tls'], now: number): void {
  if (cert === undefined && key === undefined) return;
  if (cert === undefined || key === undefined)
    throw new OwlError('invalid', 'tls.client_cert and tls.client_key go together; name both or none');
  const file = { key: 'tls.client_cert', path: cert };
  assertValidAt(readCertificateAndKey(file, { key: 'tls.client_key', path: key }).certificate, file, now);
}

/** Two servers of one node. */
function portsTwice({ listen, http_listen: http }: NodeConfig): Finding[] {
  const [one, other] = [listen, http ?? ''].map(parseAddress);
  if (one === undefined || other === undefined || one.port === 0) return [];
  if (formatAddress(one) !== formatAddress(other)) return [];
  const text = `http_listen must be another address than listen, which is ${listen} too`;
  return [{ path: ['http_listen'], text }];
}

/** Messages about a file begin with the key that names it. */
function keyNamedIn(message: string): readonly string[] | undefined {
  return /^(tls\.[a-z_]+|token_file): /.exec(message)?.[1]?.split('.');
}
