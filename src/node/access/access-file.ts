/**
 * Who is known to a node, and with which roles: one file in its data directory, which `owl access` changes and a running node
 * notices. Tokens stand in it as hashes. Beside it lies the token that owl itself uses on this machine (`local-token`).
 *
 * Guarantees: a token is shown once, when it is made, and is nowhere but in the hands of who was shown it, the local one
 * excepted, whose file is for its owner alone: one that others could read is made anew at the next start; the file has the whole old or the whole new content, for its owner alone; two who
 * change it at once both succeed; one who runs as another user than the node changes nothing; who is limited to a worker gets no role to which that does not
 * apply; entries without roles, and
 * whatever else can't be meant, are refused with their place.
 */

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { writeFileDurably } from '../../base/durable-file.js';
import { messageOf, OwlError } from '../../base/errors.js';
import { FileLock } from '../../base/lock.js';
import { systemErrorCode } from '../../base/system-error.js';
import {
  type AccessContent,
  type AccessEntry,
  accessContent,
  Entry,
  MOST_ENTRIES,
  type RevokedEntry,
} from './access-content.js';
import { ROLES, ROLES_OF_A_WORKER, type Role } from './roles.js';

export type { AccessContent, AccessEntry, RevokedEntry } from './access-content.js';

const ACCESS_FILE = 'access.json';
const LOCAL_TOKEN = 'local-token';
const LOCK = 'access.lock';
/** The name of owl itself on this machine. */
export const LOCAL = 'local';

const TOKEN_BYTES = 32;
const TOKEN = /^owl_[A-Za-z0-9_-]{43}$/;
/** Enough to recognise what was taken back; the oldest go first. */
const REVOKED_KEPT = 1_000;
const LOCKED_FOR_MS = 10_000;
const LOOK_EVERY_MS = 20;

const NOBODY: AccessContent = { version: 1, from_before: false, entries: [], revoked: [] };

export interface NewEntry {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly workerId?: string | undefined;
  /** It shows a certificate of that common name instead of a token. */
  readonly certificate?: boolean;
}

export function hashOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Where owl itself finds its token on the machine of a node. @param data the data directory */
export function localTokenFile(data: string): string {
  return join(data, LOCAL_TOKEN);
}

export function accessFile(data: string): string {
  return join(data, ACCESS_FILE);
}

/**
 * What is known; undefined when there is no file.
 * @throws OwlError kind `unavailable` when it can't be read, `invalid` when it can't be meant, with what is wrong where
 */
export function readAccess(data: string): AccessContent | undefined {
  const path = accessFile(data);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
    if (isForOthers(path, 0o022))
      throw new OwlError(
        'invalid',
        `${path} can be written by others, who could say that they may ask: look whom it names (\`owl access list\` once it is \`chmod 600\`)`,
      );
  } catch (error) {
    if (error instanceof OwlError) throw error;
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw new OwlError('unavailable', `${path} can't be read: ${messageOf(error)}`, { cause: error });
  }
  return accessContent(path, text);
}

/**
 * Makes what a node needs at its start where it is missing: the file, and the token of owl itself.
 * @param isFromBefore it is of a node that served others before there were roles; of account only where there is no file
 * @throws OwlError as `readAccess` does, and kind `unavailable` when nothing can be written
 */
export function prepareAccess(data: string, isFromBefore: boolean): Promise<AccessContent> {
  return changing(data, () => {
    const known = readAccess(data);
    const content = known ?? { ...NOBODY, from_before: isFromBefore };
    const token = readToken(localTokenFile(data));
    const local = content.entries.find(({ name }) => name === LOCAL);
    if (token !== undefined && local?.sha256 === hashOfToken(token)) return content;
    return withLocal(data, content);
  });
}

/**
 * @returns the token, which is nowhere else; undefined for who shows a certificate
 * @throws OwlError kind `exists` when the name is taken, `invalid`, `refused`, `unavailable`
 */
export async function addAccess(data: string, added: NewEntry): Promise<string | undefined> {
  // Nothing is left in a directory that is no node's.
  knownIn(data);
  assertOwn(data);
  assertLimit(added);
  return changing(data, () => {
    const content = knownIn(data);
    const { name, roles, workerId, certificate = false } = added;
    if (name === LOCAL || content.entries.some((entry) => entry.name === name))
      throw new OwlError('exists', `"${name}" is known already; take it back first, or choose another name`);
    const token = certificate ? undefined : newToken();
    const entry = Entry.parse({
      name,
      roles: [...new Set(roles)],
      ...(workerId === undefined ? {} : { worker_id: workerId }),
      ...(token === undefined ? {} : { sha256: hashOfToken(token) }),
      added: nowText(),
    });
    write(data, { ...content, entries: [...content.entries, entry] });
    return token;
  });
}

/** That of owl itself is made anew at once. @throws OwlError kind `not_found` with the names that there are */
export async function revokeAccess(data: string, name: string): Promise<void> {
  knownIn(data);
  assertOwn(data);
  return changing(data, () => {
    const content = knownIn(data);
    const entry = content.entries.find((one) => one.name === name);
    if (entry === undefined) {
      const names = content.entries.map((one) => one.name).join(', ');
      throw new OwlError('not_found', `nobody is known as "${name}"; there are ${names}`);
    }
    const revoked: RevokedEntry = {
      name,
      ...(entry.sha256 === undefined ? {} : { sha256: entry.sha256 }),
      revoked: nowText(),
    };
    const left: AccessContent = {
      ...content,
      entries: content.entries.filter((one) => one !== entry),
      revoked: [...content.revoked, revoked].slice(-REVOKED_KEPT),
    };
    if (name === LOCAL) withLocal(data, left);
    else write(data, left);
  });
}

async function changing<T>(data: string, change: () => T): Promise<T> {
  const lock = await locked(join(data, LOCK));
  try {
    return change();
  } catch (error) {
    if (error instanceof OwlError) throw error;
    throw new OwlError('unavailable', `${accessFile(data)} can't be changed: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    lock.release();
  }
}

/** A limit that is shown and does not hold would be worse than none. */
function assertLimit({ roles, workerId }: NewEntry): void {
  const others = roles.filter((role) => !ROLES_OF_A_WORKER.has(role));
  if (workerId === undefined || others.length === 0) return;
  const limited = [...ROLES_OF_A_WORKER].join(' and ');
  throw new OwlError(
    'invalid',
    `a limit to one worker goes with the roles ${limited} alone, not with ${others.join(', ')}: give those to another name, without a worker`,
  );
}

/** Whoever may write the data directory may say who is known; but the file has to stay the node's. */
function assertOwn(data: string): void {
  const { uid } = statSync(accessFile(data));
  const own = process.getuid?.();
  if (own !== undefined && own !== uid)
    throw new OwlError(
      'refused',
      `${data} is of user ${uid}, and this is user ${own}: run it as the user that the node runs as`,
    );
}

async function locked(path: string): Promise<FileLock> {
  const deadline = performance.now() + LOCKED_FOR_MS;
  for (;;) {
    const lock = FileLock.take(path);
    if (lock !== undefined) return lock;
    if (performance.now() > deadline)
      throw new OwlError('unavailable', `another process changes ${path} for too long; try again`);
    // Not the clock's pause, which keeps no command alive.
    await pause(LOOK_EVERY_MS);
  }
}

function knownIn(data: string): AccessContent {
  const content = readAccess(data);
  if (content !== undefined) return content;
  throw new OwlError(
    'refused',
    `no node of this version has run in ${data} yet; start it once, then say who may ask`,
  );
}

function withLocal(data: string, content: AccessContent): AccessContent {
  const token = newToken();
  const local: AccessEntry = {
    name: LOCAL,
    roles: [...ROLES],
    sha256: hashOfToken(token),
    added: nowText(),
  };
  const entries = [local, ...content.entries.filter(({ name }) => name !== LOCAL)];
  // The token last: where it lies this directory is none of before (open-access.ts), and one that is not known is made anew.
  const written = write(data, { ...content, entries });
  writeFileDurably(localTokenFile(data), `${token}\n`);
  return written;
}

function write(data: string, content: AccessContent): AccessContent {
  if (content.entries.length > MOST_ENTRIES)
    throw new OwlError('retryable', `${MOST_ENTRIES} are known already; take some back`);
  writeFileDurably(accessFile(data), `${JSON.stringify(content, null, 2)}\n`);
  return content;
}

function newToken(): string {
  return `owl_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
}

/** Undefined for one that others could read as well: then another is made. */
function readToken(path: string): string | undefined {
  try {
    if (isForOthers(path, 0o077)) return undefined;
    const text = readFileSync(path, 'utf8').trim();
    return isToken(text) ? text : undefined;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param bits of the mode that others must not have */
function isForOthers(path: string, bits: number): boolean {
  // Where nobody has a number, modes say nothing.
  return process.getuid !== undefined && (statSync(path).mode & bits) !== 0;
}

function nowText(): string {
  return new Date().toISOString();
}
