/** `owl workload dataset|task|job|series|pilot|splitter|executor history`: what happened to one of them, every event with its time and what it changed. */

import type { Command } from 'commander';
import { z } from 'zod';
import { OwlError } from '../../../base/errors.js';
import { formatDuration, formatSize, formatTime, NO_TEXT, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { type HistoryWords, historyColumns } from '../../../cli/history-view.js';
import type { Cli } from '../../../cli/system.js';
import { renderTable } from '../../../cli/table.js';
import type { EntityEvent } from '../wire/messages.js';
import type { Historic, WorkloadClient } from '../wire/workload-client.js';
import { datasetUid } from './dataset-uid.js';
import { ID_HELP, withWorkload } from './with-workload.js';

const POINT_IN_TIME = /_time$|_at$|^not_before$/;
const NO_POINT_IN_TIME = /^start_time$/;
const BYTES = /^(bytes|size|max_rss|found_size|rss|disk_free)$/;
const SECONDS = /_seconds$/;
const WHOLE = /^-?[0-9]{1,15}$/;
const CHECK_SUM = /check_sum$/;
const UID = /^([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const NamedFile = z.looseObject({ file_name: z.string() });

function formatField(name: string, value: unknown): string {
  // What they are has a list of its own; --json has all.
  if (Array.isArray(value)) return String(value.length);
  const file = NamedFile.safeParse(value).data?.file_name;
  if (file !== undefined) return file;
  // Stored so that no program rounds it.
  const number = typeof value === 'string' && WHOLE.test(value) ? Number(value) : value;
  if (typeof number === 'number') return formatNumber(name, number);
  if (typeof value !== 'string') return JSON.stringify(value);
  return (CHECK_SUM.test(name) ? value : value.replace(UID, '$1')) || NO_TEXT;
}

function formatNumber(name: string, value: number): string {
  if (POINT_IN_TIME.test(name) && !NO_POINT_IN_TIME.test(name)) return formatTime(value);
  if (BYTES.test(name)) return formatSize(value);
  return SECONDS.test(name) ? formatDuration(value) : String(value);
}

/** What `owl workload` has a history of. */
type Told = Historic | 'switch';

export const HISTORY_WORDS: Readonly<Record<Told, HistoryWords>> = {
  dataset: { prefix: /^Dataset(?=[A-Z])/, known: ['dataset', 'uid'], formatField },
  task: { prefix: /^Task(?=[A-Z])/, known: ['task', 'uid'], formatField },
  series: { prefix: /^Series(?=[A-Z])/, known: ['series', 'uid'], formatField },
  job: { prefix: /^Job(?=[A-Z])/, known: ['job', 'uid'], formatField },
  pilot: { prefix: /^Pilot(?=[A-Z])/, known: ['peer_id'], formatField },
  switch: { prefix: /^(?=Switched)/, known: ['switch'], formatField },
};

/** What comes each minute, and is left out of a table unless it is asked for. */
const ROUTINE: Readonly<Partial<Record<Told, string>>> = { pilot: 'PilotReported' };

interface HistoryOptions extends GlobalOptions {
  readonly all?: boolean;
}

/** @param idHelp how it is named */
export function addHistoryCommand(
  group: Command,
  cli: Cli,
  of: Historic,
  idHelp = `the ${of}: ${ID_HELP}`,
): void {
  const example = of === 'pilot' ? 'shed-3' : '3';
  const history = group
    .command('history')
    .summary(`show a ${of}'s history`)
    .description(
      `Shows what happened to a ${of}, oldest first: every event with its time and what it changed.`,
    )
    .argument('<ID>', idHelp);
  if (ROUTINE[of] !== undefined) history.option('--all', 'with what it has reported of itself each minute');
  addExamples(history, [
    [`owl workload ${of} history ${example}`, 'as a table'],
    [`owl workload ${of} history ${example} --json`, 'one JSON object a line, with whole data'],
  ]);
  history.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<HistoryOptions>();
    await withWorkload(cli, options, async (client) => {
      const named = of === 'dataset' ? await datasetUid(client, id) : id;
      await printHistory(cli, options, client, of, named);
    });
  });
}

export async function printHistory(
  cli: Cli,
  options: HistoryOptions,
  client: WorkloadClient,
  of: Historic,
  id: string,
): Promise<void> {
  await printEvents(cli, options, client.history(of, { id }), of);
}

/**
 * @param nothing said on stderr where there is none; what was made has one
 * @throws OwlError kind `refused` behind what could be read, where that is not all
 */
export async function printEvents(
  { out, err }: Cli,
  { json = false, all = false }: HistoryOptions,
  history: AsyncIterable<EntityEvent>,
  of: Told,
  nothing = '',
): Promise<void> {
  const events: EntityEvent[] = [];
  let left = 0;
  let damaged: EntityEvent | undefined;
  for await (const event of history) {
    const isDamaged = event.problem !== undefined && event.problem !== '';
    if (isDamaged) damaged = event;
    if (json) await out.line(toJson(event));
    else if (isDamaged) continue;
    else if (all || event.type === undefined || event.type !== ROUTINE[of]) events.push(event);
    else left += 1;
  }
  if (!json) {
    if (events.length === 0 && nothing !== '') await err.line(nothing);
    else await out.write(renderTable(historyColumns(out.width, HISTORY_WORDS[of]), events, out));
    if (left > 0)
      await err.line(`${left} report${left === 1 ? '' : 's'} of each minute left out; --all shows them`);
  }
  if (damaged === undefined) return;
  const { revision = 0, problem = '' } = damaged;
  throw new OwlError('refused', `it can't be read on from revision ${revision}: ${problem}`);
}
