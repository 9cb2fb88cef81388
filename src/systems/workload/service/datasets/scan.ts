/**
 * A scan takes what lies in a dataset's storage_url and is not in the dataset yet, by name, with sizes and check sums.
 *
 * Guarantees: bounded in memory however much lies there; files are added as they are read, a batch at a time, so tasks read the
 * dataset while it grows; what is being written, or can't be taken, is passed over and told, and the next scan looks again.
 */

import { MOST_FILES_OF_A_BATCH } from '../../../../../machines/workload/dataset.js';
import type { Clock } from '../../../../base/clock.js';
import type { Turns } from '../../../../base/turns.js';
import type { WorkloadContext } from '../workload-context.js';
import { addBatch } from './add-files.js';
import { contentOf } from './contents.js';
import { assertGrows, type NamedFile } from './dataset-commands.js';
import { isFileName } from './dataset-messages.js';
import { datasetRow, namedFiles } from './dataset-rows.js';
import { dataset } from './dataset-types.js';
import { type Entry, StorageDirectory } from './storage-directory.js';
import { whileOthersAdd } from './while-others-add.js';

/** Names of a directory that are held at a time. */
const NAMES_AT_ONCE = 5_000;
/** Files are read beside one another. */
const READ_AT_ONCE = 4;
/** What was read waits no longer for a whole batch. */
const LONGEST_WAIT_MS = 5_000;
/** Of what was passed over so many are told by name. */
const MOST_EXAMPLES = 20;

export async function scan(
  context: WorkloadContext,
  turns: Turns,
  { uid, by }: { readonly uid: string; readonly by: string },
  signal: AbortSignal,
) {
  const { system, config, db, readYourWrites } = context;
  assertGrows((await system.read(dataset, uid)).snapshot, uid);
  await readYourWrites();
  const directory = await StorageDirectory.of(datasetRow(db, uid), config.storage_roots);
  const taking = new Taking(context, turns, uid, by);
  for (let after = ''; ; ) {
    signal.throwIfAborted();
    const entries = await directory.namesBehind(after, NAMES_AT_ONCE);
    const [last] = entries.slice(-1);
    if (last === undefined) break;
    after = last.name;
    await readYourWrites();
    for (const some of inPieces(taking.unknown(entries), READ_AT_ONCE))
      await taking.take(await Promise.all(some.map((entry) => read(directory, entry, signal))));
  }
  await taking.add();
  return taking.answer();
}

type Read = NamedFile | { readonly passedOver: string; readonly reason: string };

async function read(
  directory: StorageDirectory,
  { name, isFile }: Entry,
  signal: AbortSignal,
): Promise<Read> {
  const over = (reason: string) => ({ passedOver: name, reason });
  const rule = isFileName(name);
  if (rule !== undefined) return over(`its name ${rule}`);
  if (name.includes('\uFFFD')) return over('its name is no UTF-8');
  if (!isFile) return over('it is no regular file');
  const content = await contentOf(directory, name, signal);
  if ('problem' in content) return over(content.problem);
  return { name, path: name, ...content, size: String(content.size) };
}

function* inPieces<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let i = 0; i < all.length; i += size) yield all.slice(i, i + size);
}

/** What a scan has taken so far. */
class Taking {
  private readonly context: WorkloadContext;
  private readonly turns: Turns;
  private readonly uid: string;
  private readonly by: string;
  private readonly clock: Clock;
  private batch: NamedFile[] = [];
  private addedAt: number;
  private added = 0;
  private first: number | undefined;
  private passedOver = 0;
  private readonly examples: { file_name: string; reason: string }[] = [];

  constructor(context: WorkloadContext, turns: Turns, uid: string, by: string) {
    this.context = context;
    this.turns = turns;
    this.uid = uid;
    this.by = by;
    this.clock = context.clock;
    this.addedAt = this.clock.monotonic();
  }

  /** Those whose names are not in the dataset. */
  unknown(entries: readonly Entry[]): Entry[] {
    const names = entries.map(({ name }) => name);
    const known = new Set(
      namedFiles(this.context.db, this.uid, names).map((row) => String(row['file_name'])),
    );
    return entries.filter(({ name }) => !known.has(name));
  }

  async take(read: readonly Read[]): Promise<void> {
    for (const one of read) {
      if (!('passedOver' in one)) this.batch.push(one);
      else {
        this.passedOver += 1;
        const { passedOver: file_name, reason } = one;
        if (this.examples.length < MOST_EXAMPLES) this.examples.push({ file_name, reason });
      }
      if (this.batch.length >= MOST_FILES_OF_A_BATCH) await this.add();
    }
    if (this.clock.monotonic() - this.addedAt > LONGEST_WAIT_MS) await this.add();
  }

  /** What others have added by name meanwhile is left to them. */
  async add(): Promise<void> {
    const { context, uid, by } = this;
    const batch = this.batch;
    this.batch = [];
    if (batch.length > 0)
      await this.turns.in(uid, () =>
        whileOthersAdd(context, async () => {
          const names = batch.map(({ name }) => name);
          const known = new Set(namedFiles(context.db, uid, names).map((row) => String(row['file_name'])));
          const files = batch.filter(({ name }) => !known.has(name));
          if (files.length === 0) return;
          const { answer } = await addBatch(context, uid, files, { by });
          this.added += files.length;
          this.first ??= answer?.first_idx;
        }),
      );
    this.addedAt = this.clock.monotonic();
  }

  async answer() {
    await this.context.readYourWrites();
    const { added, passedOver, examples } = this;
    return {
      added,
      ...(this.first === undefined ? {} : { first_idx: this.first }),
      files: Number(datasetRow(this.context.db, this.uid)['files']),
      passed_over: passedOver,
      examples,
    };
  }
}
