/**
 * What a start of a node would find on this machine, beside the rules of keys: directories, files that are named, addresses, who may ask.
 *
 * Guarantees: nothing is changed, opened for writing or called, but that names of addresses are looked up and a free port is taken for a
 * moment; each finding names the key that it is about; all of them are told at once, and none that rests on a key of which nobody can tell what was
 * meant. What a start would go on with is a remark, everything else would refuse it.
 */

import { readFileSync } from 'node:fs';
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
import { checkListening } from './check-listening.js';
import type { ConfigSource } from './config/config.js';
import { EMBEDDED, type NodeConfig } from './config/node-section.js';
import { type FoundDirectory, lookAtDataDirectory } from './data-directory.js';
import { type Finding, Findings } from './findings.js';
import { openPlacesOfCaller, openPlacesOfNode } from './open-places.js';
import { assertHistoryIsThere } from './open-store.js';
import { checkServerTls } from './serving/server-tls.js';

export type { Finding } from './findings.js';

export interface CheckedConfig {
  readonly node: NodeConfig;
  readonly source: ConfigSource | undefined;
  /** Whether nobody can tell what was meant with a key; it counts as not given. */
  isWrong(path: readonly string[]): boolean;
}

/** @param now Unix milliseconds */
export async function findingsOfNode(checked: CheckedConfig, now: number): Promise<readonly Finding[]> {
  const findings = new Findings();
  const { node, source } = checked;
  await checkData(findings, checked);
  await checkListening(findings, node, (path) => checked.isWrong(path));
  await checkStore(findings, checked);
  await checkTls(findings, checked, now);
  const { token_file: file } = node;
  if (file !== undefined) await findings.look(['token_file'], () => new Token({ file }));
  const open = [...openPlacesOfNode(node, source), ...openPlacesOfCaller(node)];
  findings.add(...open.filter(({ path }) => !checked.isWrong(path)));
  return findings.all;
}

/** The directory, and who may ask, which follows from it too. */
async function checkData(findings: Findings, { node, isWrong }: CheckedConfig): Promise<void> {
  if (isWrong(['data'])) return;
  const { data, access, store } = node;
  const directory = await findings.look(['data'], () => lookAtDataDirectory(data));
  const isFromBefore = await findings.look(['data'], () => isAccessFromBefore(node, directory));
  if (directory?.holder !== undefined) findings.add(inUse(data, directory.holder));
  if (store === EMBEDDED && directory !== undefined && !isWrong(['store']))
    await findings.look(['data'], () => assertHistoryIsThere({ path: data, ...directory }));
  if (isWrong(['access'])) return;
  const said = await findings.look([access === undefined ? 'listen' : 'access'], () =>
    saidAccess(node, isFromBefore ?? isOfBefore(node, directory?.isKnown ?? false)),
  );
  if (said?.warning !== undefined && !isWrong(['tls', 'cert']))
    findings.add({ path: ['listen'], text: said.warning, isRemark: true });
}

async function checkStore(findings: Findings, { node, isWrong }: CheckedConfig): Promise<void> {
  const { store, store_credentials_file: credentials } = node;
  const isOpen = isWrong(['store']);
  if (store === EMBEDDED && !isOpen) return;
  // What a file of credentials is to hold follows from no address.
  const settings = parseConnectionString(isOpen ? 'esdb://localhost' : store);
  const { tlsCaFile: _ca, userCertFile: _cert, userKeyFile: _key, ...others } = settings;
  // What stands in the connection string is told as that.
  await findings.look(['store'], () => checkServer(settings, undefined));
  await findings.look(['store_credentials_file'], () => checkServer(others, credentials));
}

/** Each file by itself, then those that belong together. */
async function checkTls(findings: Findings, { node, isWrong }: CheckedConfig, now: number): Promise<void> {
  const { tls } = node;
  const there = new Set<string>();
  for (const [name, path] of Object.entries(tls)) {
    if (path === undefined) continue;
    const file = await findings.look(['tls', name], () => readTlsFile({ key: `tls.${name}`, path }));
    if (file !== undefined) there.add(name);
  }
  for (const name of ['client_ca', 'ca'] as const) {
    const path = tls[name];
    if (path !== undefined && there.has(name))
      await findings.look(['tls', name], () => readAuthorities({ key: `tls.${name}`, path }));
  }
  const checkPair = async (names: readonly ServerOrClient[], act: () => void): Promise<void> => {
    const [cert = 'cert', key = 'key'] = names;
    if (isWrong(['tls', cert]) || isWrong(['tls', key])) return;
    // Of two that are given both have to be there; one without the other is told at the one.
    const areGiven = tls[cert] !== undefined && tls[key] !== undefined;
    if (areGiven && !(there.has(cert) && there.has(key))) return;
    await findings.look(['tls', names.find((name) => tls[name] !== undefined) ?? cert], act);
  };
  const { cert, key, client_ca } = tls;
  const areBoth = cert !== undefined && key !== undefined;
  await checkPair(['cert', 'key', 'client_ca'], () =>
    checkServerTls(areBoth ? { cert, key } : { cert, key, client_ca }, now),
  );
  await checkPair(['client_cert', 'client_key'], () => checkShown(tls, now));
}

type ServerOrClient = keyof NodeConfig['tls'];

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

function checkShown({ client_cert: cert, client_key: key }: NodeConfig['tls'], now: number): void {
  if (cert === undefined && key === undefined) return;
  if (cert === undefined || key === undefined)
    throw new OwlError('invalid', 'tls.client_cert and tls.client_key go together; name both or none');
  const file = { key: 'tls.client_cert', path: cert };
  assertValidAt(readCertificateAndKey(file, { key: 'tls.client_key', path: key }).certificate, file, now);
}
