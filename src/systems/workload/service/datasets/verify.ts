/**
 * A verification looks at every file of a dataset that should be there.
 *
 * Guarantees: what is found is told of each file by an event of its own, once; a file that is whole again is available again; what was
 * not known of a file's content is known from then on; a storage that is away says nothing of any file, and a file that can't be
 * read now, or is being written, is counted and told by name, and nothing is stored of it; so is one whose stream can't be read.
 */

import { isRefusal } from '../../../../base/failure-kinds.js';
import type { SqlRow } from '../../../../base/sql.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
import type { WorkloadContext } from '../workload-context.js';
import { type Content, contentOf } from './contents.js';
import { datasetRow, fileRows, filesIn } from './dataset-rows.js';
import { file } from './dataset-types.js';
import { type Decide, findCorrupt, findMissing, findWhole } from './file-commands.js';
import { StorageDirectory } from './storage-directory.js';

const STATES_WITH_CONTENT = ['available', 'missing', 'corrupt'];
/** Rows that are held at a time; files of a piece are read beside one another. */
const ROWS_AT_ONCE = 500;
const READ_AT_ONCE = 4;

/** Files that could not be read which an answer names. */
const MOST_EXAMPLES = 10;

type Found = 'whole' | 'missing' | 'corrupt' | 'unreadable';

export async function verify(
  context: WorkloadContext,
  { uid, by }: { readonly uid: string; readonly by: string },
  signal: AbortSignal,
  tell: (soFar: JsonObject) => void,
) {
  const { db, config, system, readYourWrites } = context;
  await readYourWrites();
  const directory = await StorageDirectory.of(datasetRow(db, uid), config.storage_roots);
  const files = filesIn(db, uid, STATES_WITH_CONTENT);
  const counts = { whole: 0, missing: 0, corrupt: 0, unreadable: 0 };
  const examples: { file_name: string; reason: string }[] = [];
  const noteUnreadable = (row: SqlRow, reason: string): void => {
    counts.unreadable += 1;
    if (examples.length < MOST_EXAMPLES) examples.push({ file_name: String(row['file_name']), reason });
  };
  const look = async (row: SqlRow): Promise<void> => {
    const content = await contentOf(directory, String(row['path']), signal);
    const { found, decide } = judge(row, content);
    if (decide === undefined) return noteUnreadable(row, 'problem' in content ? content.problem : '');
    try {
      await system.execute(file, String(row['uid']), { by, decide });
      counts[found] += 1;
    } catch (error) {
      // What is stored of it can't be read: the others are looked at all the same.
      if (!isRefusal(error)) throw error;
      noteUnreadable(row, error.message);
    }
  };
  for (let after: number | undefined; ; ) {
    const rows = fileRows(db, uid, STATES_WITH_CONTENT, { after, limit: ROWS_AT_ONCE });
    const [last] = rows.slice(-1);
    if (last === undefined) break;
    after = Number(last['idx']);
    for (let i = 0; i < rows.length; i += READ_AT_ONCE) {
      tell({ ...answerOf(counts, examples), files });
      await Promise.all(rows.slice(i, i + READ_AT_ONCE).map(look));
    }
  }
  return answerOf(counts, examples);
}

function answerOf(
  { whole, missing, corrupt, unreadable }: Readonly<Record<Found, number>>,
  examples: readonly { readonly file_name: string; readonly reason: string }[],
) {
  return {
    ...{ looked_at: whole + missing + corrupt + unreadable, missing, corrupt },
    ...(unreadable === 0 ? {} : { unreadable, examples: [...examples] }),
  };
}

/** What follows for a file of which this was found; nothing where it could not be read. */
export function judge(
  row: SqlRow,
  content: Content,
): { readonly found: Found; readonly decide: Decide | undefined } {
  if ('problem' in content) {
    const detail = content.problem;
    if (content.kind === 'missing') return { found: 'missing', decide: findMissing({ detail }) };
    if (content.kind === 'no file') return { found: 'corrupt', decide: findCorrupt({ detail }) };
    return { found: 'unreadable', decide: undefined };
  }
  const { check_sum, sha256 } = content;
  const size = String(content.size);
  const differs = (what: string, found: string | number) => ({
    found: 'corrupt' as const,
    decide: findCorrupt({
      detail: `its ${what} is ${found}, not ${String(row[what === 'MD5' ? 'check_sum' : what])}`,
      ...{ size, checkSum: check_sum },
    }),
  });
  if (row['size'] !== null && Number(row['size']) !== content.size) return differs('size', content.size);
  if (row['check_sum'] !== null && row['check_sum'] !== check_sum) return differs('MD5', check_sum);
  if (row['sha256'] !== null && row['sha256'] !== sha256) return differs('sha256', sha256);
  return { found: 'whole', decide: findWhole({ size, check_sum, sha256 }) };
}
