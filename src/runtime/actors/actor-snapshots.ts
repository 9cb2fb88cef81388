/**
 * Snapshots of actors, so that a long history need not be replayed. Disposable by design: keyed by stream,
 * revision and machine version, checked when read, and never trusted over the stream, which must still hold the event that a
 * snapshot was taken at. Losing all of them costs time only.
 *
 * Guarantees: keeping one holds nobody up for long: a large one becomes text in pieces with turns of others between, is compressed
 * off the event loop, and one is written after another; a failure costs the snapshot and nothing else; of one stream the snapshot that was
 * taken last is kept, and none that was taken before it was discarded.
 */

import { createHash, type Hash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createDeflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Logger } from 'pino';
import type { Snapshot } from 'xstate';
import { messageOf } from '../../base/errors.js';
import { limitConcurrency } from '../../base/limit-concurrency.js';
import type { Database, Statement } from '../../base/sql.js';
import type { StreamName } from '../event-store/event-store.js';
import type { FirstAnswer } from './command-memory.js';
import { jsonPieces } from './json-pieces.js';

export interface ActorSnapshot {
  /** Revision of the last event that is in it. */
  readonly revision: number;
  /** Id of that event. */
  readonly eventId: string;
  readonly machineVersion: number;
  readonly state: Snapshot<unknown>;
  /** The commands the actor remembers. */
  readonly commands: readonly [string, FirstAnswer][];
}

/** One as it was read. */
export interface KeptSnapshot extends ActorSnapshot {
  /** Characters of its JSON. */
  readonly length: number;
}

/** Below this many events a replay is about as cheap as reading and checking a snapshot. */
const WORTH_KEEPING = 32;
/** A third of the size, in 0.1 ms: uncompressed, a snapshot of 2.2 kB has a page of the file to itself. */
const COMPRESSION = { level: 3 };
/** Characters of JSON that are made without a pause. About a millisecond, with what is done with them. */
const ONE_TURN = 64 * 1024;

export class ActorSnapshots {
  private readonly logger: Logger;
  private readonly insert: Statement;
  private readonly select: Statement;
  private readonly delete: Statement;
  /** By stream: the keeping that was begun last, while it is under way. */
  private readonly keeping = new Map<StreamName, Promise<unknown>>();
  private readonly oneByOne = limitConcurrency(1);

  constructor(db: Database, logger: Logger) {
    createTable(db);
    this.logger = logger;
    this.insert = db.prepare('INSERT OR REPLACE INTO actor_snapshots VALUES (?, ?, ?, ?, ?, ?)');
    this.select = db.prepare('SELECT * FROM actor_snapshots WHERE stream = ?');
    this.delete = db.prepare('DELETE FROM actor_snapshots WHERE stream = ?');
  }

  /**
   * Keeps what `take` gives where it saves work: a small one before this returns, a large one in its time.
   * @returns characters of its JSON; undefined where it was not kept. Never rejects
   */
  keep(stream: StreamName, take: () => ActorSnapshot): Promise<number | undefined> {
    return this.track(stream, (isNewest) => this.write(stream, take, isNewest));
  }

  /** The same in another turn: after what is answered in this one. What `take` gives then must be of now. */
  keepSoon(stream: StreamName, take: () => ActorSnapshot): Promise<number | undefined> {
    return this.track(stream, async (isNewest) => {
      await nextTurn();
      return isNewest() ? await this.write(stream, take, isNewest) : undefined;
    });
  }

  /** Waits for those that are being kept. */
  async settled(): Promise<void> {
    await Promise.all(this.keeping.values());
  }

  /** It is suspected of what went wrong. A failure costs nothing: whoever goes on from it checks it again. */
  discard(stream: StreamName): void {
    this.keeping.delete(stream);
    try {
      this.delete.run(stream);
    } catch (error) {
      this.logger.warn({ stream, err: error }, 'the snapshot of an actor was not removed');
    }
  }

  /** The kept snapshot, or undefined where there is none, it is another machine version's, or it is damaged. */
  read(stream: StreamName, machineVersion: number): KeptSnapshot | undefined {
    try {
      const row = this.select.get(stream);
      if (row === undefined) return undefined;
      const { revision, event_id: eventId, checksum } = row;
      // Those of before are not compressed.
      const body =
        row['body'] instanceof Uint8Array ? inflateRawSync(row['body']).toString('utf8') : row['body'];
      const usable =
        row['machine_version'] === machineVersion &&
        typeof revision === 'number' &&
        typeof eventId === 'string' &&
        typeof body === 'string' &&
        checksum === checksumOf(stream, revision, eventId, body);
      if (usable) return { ...JSON.parse(body), revision, eventId, machineVersion, length: body.length };
      this.delete.run(stream);
    } catch (error) {
      this.logger.warn(
        { stream, reason: messageOf(error) },
        'a snapshot could not be read; the actor is replayed',
      );
    }
    return undefined;
  }

  private track<T>(stream: StreamName, keep: (isNewest: () => boolean) => Promise<T>): Promise<T> {
    let own: Promise<T> | undefined;
    // What is done at once is the newest.
    const kept = keep(() => own === undefined || this.keeping.get(stream) === own);
    own = kept;
    this.keeping.set(stream, own);
    void kept.then(() => {
      if (this.keeping.get(stream) === kept) this.keeping.delete(stream);
    });
    return kept;
  }

  private async write(
    stream: StreamName,
    take: () => ActorSnapshot,
    isNewest: () => boolean,
  ): Promise<number | undefined> {
    try {
      const snapshot = take();
      const { revision, state, commands } = snapshot;
      if (revision < WORTH_KEEPING) return undefined;
      const pieces = jsonPieces({ state, commands });
      const [text, isWhole] = oneTurnOf(pieces);
      const hash = hashOf(stream, snapshot).update(text);
      if (!isWhole)
        return await this.oneByOne(() => this.writeLarge({ stream, snapshot, text, hash, pieces, isNewest }));
      this.store(stream, snapshot, deflateRawSync(text, COMPRESSION), hash);
      return text.length;
    } catch (error) {
      this.logger.warn({ stream, err: error }, 'the snapshot of an actor was not kept; it will be replayed');
      return undefined;
    }
  }

  /** Undefined where another was taken meanwhile, or nothing of the stream is to be kept. */
  private async writeLarge({
    stream,
    snapshot,
    text,
    hash,
    pieces,
    isNewest,
  }: Begun): Promise<number | undefined> {
    const packing = createDeflateRaw(COMPRESSION);
    const packed = buffer(packing);
    // Given up, it is not asked for.
    packed.catch(() => undefined);
    packing.write(text);
    let length = text.length;
    for (let isLast = false; !isLast; ) {
      await nextTurn();
      if (!isNewest()) break;
      const [more, isEnd] = oneTurnOf(pieces);
      hash.update(more);
      packing.write(more);
      length += more.length;
      isLast = isEnd;
    }
    if (isNewest()) {
      packing.end();
      const body = await packed;
      if (isNewest()) {
        this.store(stream, snapshot, body, hash);
        return length;
      }
    }
    packing.destroy();
    return undefined;
  }

  private store(stream: StreamName, snapshot: ActorSnapshot, packed: Uint8Array, hash: Hash): void {
    const { revision, eventId, machineVersion } = snapshot;
    this.insert.run(stream, revision, eventId, machineVersion, packed, hash.digest('hex'));
  }
}

/** A snapshot too large for one turn, of which the first turn is over. */
interface Begun {
  readonly stream: StreamName;
  readonly snapshot: ActorSnapshot;
  readonly text: string;
  readonly hash: Hash;
  readonly pieces: Generator<string>;
  isNewest(): boolean;
}

function oneTurnOf(pieces: Generator<string>): [text: string, isLast: boolean] {
  let text = '';
  while (text.length < ONE_TURN) {
    const { value, done } = pieces.next();
    if (done === true) return [text, true];
    text += value;
  }
  return [text, false];
}

/**
 * A table of before, whose snapshots don't name their event, is worth nothing. One of before that is WITHOUT ROWID stays as it is:
 * there each row of more than a quarter of a page takes a page of its own.
 */
function createTable(db: Database): void {
  const columns = db.prepare('PRAGMA table_info(actor_snapshots)').all();
  if (columns.some((column) => column['name'] === 'event_id')) return;
  db.transaction(() =>
    db.exec(`DROP TABLE IF EXISTS actor_snapshots;
      CREATE TABLE actor_snapshots (
        stream TEXT PRIMARY KEY, revision INTEGER NOT NULL, event_id TEXT NOT NULL, machine_version INTEGER NOT NULL,
        body TEXT NOT NULL, checksum TEXT NOT NULL
      )`),
  );
}

function checksumOf(stream: StreamName, revision: number, eventId: string, body: string): string {
  return hashOf(stream, { revision, eventId }).update(body).digest('hex');
}

/** To be fed with the body. */
function hashOf(
  stream: StreamName,
  { revision, eventId }: Pick<ActorSnapshot, 'revision' | 'eventId'>,
): Hash {
  return createHash('sha256').update(`${stream} ${revision} ${eventId} `);
}
