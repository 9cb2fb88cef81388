/** `history` of an entity: every event with its time and what it changed. */

import type { Command } from 'commander';
import { OwlError } from '../base/errors.js';
import { type EntityWords, idHelpOf } from './entity-commands.js';
import { toJson } from './format.js';
import type { GlobalOptions } from './globals.js';
import { addExamples } from './help.js';
import { type HistoryEvent, type HistoryWords, historyColumns } from './history-view.js';
import type { Cli } from './system.js';
import { renderTable } from './table.js';

/** An event, or why its stream can't be read on from its revision. */
export interface ToldEvent extends HistoryEvent {
  readonly problem?: string;
}

/** How the history of one kind of entity is told. */
export interface EntityHistoryWords extends HistoryWords {
  /** The type of what comes each minute: it is left out of a table unless it is asked for. */
  readonly routine?: string;
}

export interface HistoryOptions extends GlobalOptions {
  readonly all?: boolean;
}

export interface HistoryCommand<Client> {
  readonly told: EntityHistoryWords;
  /** An id for the examples. */
  readonly example: string;
  /** @param id as it was given */
  events(client: Client, id: string): AsyncIterable<ToldEvent>;
}

export function addHistoryCommand<Client>(
  group: Command,
  words: EntityWords<Client>,
  { told, example, events }: HistoryCommand<Client>,
): void {
  const { command, noun, cli } = words;
  const history = group
    .command('history')
    .summary(`show a ${noun}'s history`)
    .description(
      `Shows what happened to a ${noun}, oldest first: every event with its time and what it changed.`,
    )
    .argument('<ID>', idHelpOf(words));
  if (told.routine !== undefined) history.option('--all', 'with what it has reported of itself each minute');
  addExamples(history, [
    [`${command} history ${example}`, 'as a table'],
    [`${command} history ${example} --json`, 'one JSON object a line, with whole data'],
  ]);
  history.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<HistoryOptions>();
    await words.within(options, (client) => printEvents(cli, options, events(client, id), told));
  });
}

/**
 * @param nothing said on stderr where there is none; what was made has one
 * @throws OwlError kind `refused` behind what could be read, where that is not all
 */
export async function printEvents(
  { out, err }: Cli,
  { json = false, all = false }: HistoryOptions,
  history: AsyncIterable<ToldEvent>,
  told: EntityHistoryWords,
  nothing = '',
): Promise<void> {
  const events: ToldEvent[] = [];
  let left = 0;
  let damaged: ToldEvent | undefined;
  for await (const event of history) {
    const isDamaged = event.problem !== undefined && event.problem !== '';
    if (isDamaged) damaged = event;
    if (json) await out.line(toJson(event));
    else if (isDamaged) continue;
    else if (all || event.type === undefined || event.type !== told.routine) events.push(event);
    else left += 1;
  }
  if (!json) {
    if (events.length === 0 && nothing !== '') await err.line(nothing);
    else await out.write(renderTable(historyColumns(out.width, told), events, out));
    if (left > 0)
      await err.line(`${left} report${left === 1 ? '' : 's'} of each minute left out; --all shows them`);
  }
  if (damaged === undefined) return;
  const { revision = 0, problem = '' } = damaged;
  throw new OwlError('refused', `it can't be read on from revision ${revision}: ${problem}`);
}
