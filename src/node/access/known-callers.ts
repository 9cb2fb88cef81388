/**
 * Who is known to this node at this moment: the access file as it stands on disk.
 *
 * Guarantees: a token that was taken back does not count from the moment its file was written, since each question looks whether
 * the file is still the same; while the file can't be read or meant, no token and no certificate counts, and the log says why.
 */

import type { Logger } from 'pino';
import { OwlError } from '../../base/errors.js';
import { fileMark } from '../../base/file-mark.js';
import { ToldFailures } from '../../base/told-failures.js';
import {
  type AccessEntry,
  accessFile,
  hashOfToken,
  isToken,
  LOCAL,
  type RevokedEntry,
  readAccess,
} from './access-file.js';

/** Tokens whose hash is remembered, so that not each call makes it. */
const REMEMBERED = 1_000;

export type Known =
  | {
      readonly entry: AccessEntry;
      /** Another for who has got the name of one that was taken back. */
      readonly identity: string;
    }
  | { readonly revoked: RevokedEntry };

interface Snapshot {
  /** What the file looked like. */
  readonly mark: string;
  readonly byHash: ReadonlyMap<string, Known>;
  /** Without a token. */
  readonly byName: ReadonlyMap<string, Known>;
}

export class KnownCallers {
  private readonly data: string;
  private readonly failures: ToldFailures;
  private snapshot: Snapshot | undefined;
  /** It was looked at a moment ago, for the same call. */
  private isFresh = false;
  private readonly hashes = new Map<string, string>();

  constructor(data: string, logger: Logger) {
    this.data = data;
    this.failures = new ToldFailures(logger);
  }

  /** @throws OwlError kind `unavailable` while nobody can be known */
  byToken(token: string): Known | undefined {
    const { byHash } = this.current();
    if (!isToken(token)) return undefined;
    const remembered = this.hashes.get(token);
    if (remembered !== undefined) return byHash.get(remembered);
    const hash = hashOfToken(token);
    const known = byHash.get(hash);
    // Whatever strangers try takes no room.
    if (known !== undefined && this.hashes.size < REMEMBERED) this.hashes.set(token, hash);
    return known;
  }

  /** @param name the common name of a certificate that the node trusts. @throws OwlError kind `unavailable` */
  byCertificate(name: string): Known | undefined {
    return this.current().byName.get(name);
  }

  /** Changes whenever the file does. @throws OwlError kind `unavailable` */
  get mark(): string {
    return this.current().mark;
  }

  private current(): Snapshot {
    const path = accessFile(this.data);
    if (this.isFresh && this.snapshot !== undefined) return this.snapshot;
    try {
      const mark = fileMark(path);
      this.isFresh = true;
      queueMicrotask(() => {
        this.isFresh = false;
      });
      if (this.snapshot?.mark === mark) return this.snapshot;
      this.hashes.clear();
      this.snapshot = snapshotOf(mark, this.data);
      this.failures.forget(path);
      return this.snapshot;
    } catch (error) {
      this.snapshot = undefined;
      this.failures.tell(path, error, 'who is known can not be read: no token and no certificate counts');
      throw new OwlError('unavailable', 'who may ask can not be read here; the log of the node says why', {
        cause: error,
      });
    }
  }
}

function snapshotOf(mark: string, data: string): Snapshot {
  const { entries = [], revoked = [] } = readAccess(data) ?? {};
  const byHash = new Map<string, Known>();
  const byName = new Map<string, Known>();
  const put = (
    known: Known,
    { name, sha256 }: { readonly name: string; readonly sha256?: string | undefined },
  ) => (sha256 === undefined ? byName.set(name, known) : byHash.set(sha256, known));
  for (const one of revoked) put({ revoked: one }, one);
  const takenBack = new Set(revoked.map(({ name }) => name));
  // Who was taken back may be known again.
  for (const entry of entries) {
    const { name, added } = entry;
    put({ entry, identity: takenBack.has(name) && name !== LOCAL ? `${name} ${added}` : name }, entry);
  }
  return { mark, byHash, byName };
}
