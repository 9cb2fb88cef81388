/** `owl workload dataset|task|job|series|pilot|splitter|executor history`: what happened to one of them, every event with its time and what it changed. */

import type { Command } from 'commander';
import { z } from 'zod';
import {
  addHistoryCommand,
  type EntityHistoryWords,
  type HistoryOptions,
  printEvents,
} from '../../../cli/entity-history.js';
import { formatDuration, formatSize, formatTime, NO_TEXT } from '../../../cli/format.js';
import type { Cli } from '../../../cli/system.js';
import type { Historic, WorkloadClient } from '../wire/workload-client.js';
import { datasetUid } from './dataset-uid.js';
import type { WorkloadWords } from './with-workload.js';

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

export const HISTORY_WORDS: Readonly<Record<Told, EntityHistoryWords>> = {
  dataset: { prefix: /^Dataset(?=[A-Z])/, known: ['dataset', 'uid'], formatField },
  task: { prefix: /^Task(?=[A-Z])/, known: ['task', 'uid'], formatField },
  series: { prefix: /^Series(?=[A-Z])/, known: ['series', 'uid'], formatField },
  job: { prefix: /^Job(?=[A-Z])/, known: ['job', 'uid'], formatField },
  pilot: { prefix: /^Pilot(?=[A-Z])/, known: ['peer_id'], formatField, routine: 'PilotReported' },
  switch: { prefix: /^(?=Switched)/, known: ['switch'], formatField },
};

/** @param id as it was given */
export function addHistory(group: Command, words: WorkloadWords, of: Historic): void {
  addHistoryCommand(group, words, {
    ...{ told: HISTORY_WORDS[of], example: of === 'pilot' ? 'shed-3' : '3' },
    async *events(client, id) {
      const named = of === 'dataset' ? await datasetUid(client, id) : id;
      yield* client.history(of, { id: named });
    },
  });
}

export async function printHistory(
  cli: Cli,
  options: HistoryOptions,
  client: WorkloadClient,
  of: Historic,
  id: string,
): Promise<void> {
  await printEvents(cli, options, client.history(of, { id }), HISTORY_WORDS[of]);
}
