/**
 * Ids as people handle them: shown by a beginning that tells them apart, and given by any beginning that names one task.
 * An id given whole always wins, also when others begin with it.
 */

import { OwlError } from '../../../base/errors.js';
import { UsageError } from '../../../cli/exit.js';
import { shortIds as shortIdsOf } from '../../../cli/short-ids.js';
import type {
  PlotTaskIdRequest,
  PlotTaskListRequest,
  PlotTaskListResponse,
  PlotTaskStatus,
} from '../wire/messages.js';

/** Field ids all begin alike; that part tells nothing apart. */
const COMMON_BEGINNING = 'task_';
const MOST_CANDIDATES = 10;

/** For each id its shortest beginning that none of the others has. */
export function shortIds(ids: readonly string[]): ReadonlyMap<string, string> {
  return shortIdsOf(ids, COMMON_BEGINNING);
}

export interface TaskLookup {
  /** One page of tasks. */
  list(request: PlotTaskListRequest): Promise<PlotTaskListResponse>;
  /** `existed` is missing when there is no such task. */
  status(request: PlotTaskIdRequest): Promise<PlotTaskStatus>;
}

/**
 * The id of the one task whose id is or begins with `text`.
 * @throws OwlError kind `not_found` when there is none, `refused` with the candidates when there are several
 * @throws UsageError for an empty text, with which every id begins
 */
export async function resolveTaskId(tasks: TaskLookup, text: string): Promise<string> {
  if (text === '') throw new UsageError('an id, or the beginning of one, must not be empty');
  const { existed = false } = await tasks.status({ task_id: text });
  if (existed) return text;
  const { tasks: found = [] } = await tasks.list({ task_id_prefix: text, page_size: MOST_CANDIDATES + 1 });
  const ids = found.flatMap(({ task_id }) => task_id ?? []);
  const [only] = ids;
  if (only === undefined) {
    throw new OwlError(
      'not_found',
      `no task has an id that begins with "${text}"; \`owl plot list\` shows all`,
    );
  }
  if (ids.length === 1) return only;
  const candidates = ids.slice(0, MOST_CANDIDATES).map((id) => `  ${id}`);
  if (ids.length > MOST_CANDIDATES) candidates.push('  … and more');
  throw new OwlError(
    'refused',
    `"${text}" is the beginning of several ids; give more of the one you mean:\n${candidates.join('\n')}`,
  );
}
