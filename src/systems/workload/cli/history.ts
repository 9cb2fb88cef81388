/** `owl workload dataset|task|job history`: what happened to one of them, every event with its time and what it changed. */

import type { Command } from 'commander';
import { formatDuration, formatSize, formatTime, NO_TEXT, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { type HistoryWords, historyColumns } from '../../../cli/history-view.js';
import type { Cli } from '../../../cli/system.js';
import { renderTable } from '../../../cli/table.js';
import type { EntityEvent } from '../wire/messages.js';
import type { Historic, WorkloadClient } from '../wire/workload-client.js';
import { ID_HELP, withWorkload } from './with-workload.js';

const POINT_IN_TIME = /_time$|_at$|^not_before$/;
const BYTES = /^(bytes|size|max_rss|found_size)$/;
const SECONDS = /_seconds$/;

function formatField(name: string, value: unknown): string {
  if (typeof value === 'string') return value || NO_TEXT;
  // What they are has a list of its own; --json has all.
  if (Array.isArray(value)) return String(value.length);
  if (typeof value !== 'number') return JSON.stringify(value);
  if (POINT_IN_TIME.test(name)) return formatTime(value);
  if (BYTES.test(name)) return formatSize(value);
  return SECONDS.test(name) ? formatDuration(value) : String(value);
}

const WORDS: Readonly<Record<Historic, HistoryWords>> = {
  dataset: { prefix: /^Dataset(?=[A-Z])/, known: ['dataset', 'uid'], formatField },
  task: { prefix: /^Task(?=[A-Z])/, known: ['task', 'uid'], formatField },
  job: { prefix: /^Job(?=[A-Z])/, known: ['job', 'uid'], formatField },
};

export function addHistoryCommand(group: Command, cli: Cli, of: Historic): void {
  const history = group
    .command('history')
    .summary(`show a ${of}'s history`)
    .description(
      `Shows what happened to a ${of}, oldest first: every event with its time and what it changed.`,
    )
    .argument('<ID>', `the ${of}: ${ID_HELP}`);
  addExamples(history, [
    [`owl workload ${of} history 3`, 'as a table'],
    [`owl workload ${of} history 3 --json`, 'one JSON object a line, with whole data'],
  ]);
  history.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, (client) => printHistory(cli, options, client, of, id));
  });
}

export async function printHistory(
  { out }: Cli,
  { json = false }: GlobalOptions,
  client: WorkloadClient,
  of: Historic,
  id: string,
): Promise<void> {
  const events: EntityEvent[] = [];
  for await (const event of client.history(of, { id })) {
    if (json) await out.line(toJson(event));
    else events.push(event);
  }
  if (!json) await out.write(renderTable(historyColumns(out.width, WORDS[of]), events, out));
}
