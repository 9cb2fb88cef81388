/**
 * The commands that every kind of entity has, below the group of its system: `list`, `show`, and orders about one.
 *
 * Guarantees: each takes `--json` and then prints what the node answers, whole; an order is a new one each time it is given, and who lost
 * its answer is told how to look; lists come page by page, however long they are.
 */

import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { severalOf, wholeNumber } from './arguments.js';
import { toJson } from './format.js';
import type { GlobalOptions } from './globals.js';
import { addExamples } from './help.js';
import { printJsonArray, printTable } from './lists.js';
import { sayIfUnknown } from './lost-answers.js';
import type { Cli, Example } from './system.js';
import type { Column, TableLayout } from './table.js';

/** How entities are named, where nothing else is said. */
export const ID_HELP = 'its running number, its uid, or a beginning of that which no other has';
const MOST_LISTED = 1_000_000_000;

/** What the commands of its system call one kind of entity. */
export interface EntityNames {
  readonly cli: Cli;
  /** `owl workload task` */
  readonly command: string;
  /** `task` */
  readonly noun: string;
  /** How one of them is named, where that is not as usual. */
  readonly idHelp?: string;
}

export interface EntityWords<Client> extends EntityNames {
  /** Runs with a client of the node that was asked for. */
  within<T>(options: GlobalOptions, work: (client: Client) => Promise<T>): Promise<T>;
}

export function idHelpOf({ noun, idHelp = `the ${noun}: ${ID_HELP}` }: EntityNames): string {
  return idHelp;
}

/** An order that is given again after its answer was lost must be a new one; within one call it is the same. */
export function commandId(): { command_id: string } {
  return { command_id: randomUUID() };
}

export interface ListOptions extends GlobalOptions {
  readonly status?: string[];
  readonly limit?: number;
  readonly oldestFirst?: boolean;
}

export interface ListWords<Client, Row, Filter extends object> {
  /** `tasks` */
  readonly plural: string;
  readonly statuses: readonly string[];
  readonly examples: readonly Example[];
  /** Said where there is none at all. */
  readonly nothing: string;
  /** Options beside those that every list has. */
  readonly options?: (list: Command) => Command;
  /** What those options ask for; empty where they ask for nothing. */
  readonly filterOf?: (options: ListOptions) => Filter;
  /** @param status any of these; all where there is none */
  pages(
    client: Client,
    asked: { readonly status: string[]; readonly newest_first: boolean; readonly filter: Filter | undefined },
    limit: number | undefined,
  ): AsyncIterable<Row[]>;
  columns(rows: readonly Row[], width: number): readonly Column<Row>[];
}

export function addListCommand<Client, Row, Filter extends object = never>(
  group: Command,
  words: EntityWords<Client>,
  listed: ListWords<Client, Row, Filter>,
): void {
  const { plural, statuses, examples, nothing, columns } = listed;
  const { cli, noun } = words;
  const list = group
    .command('list')
    .summary(`list ${plural}`)
    .description(`Lists ${plural}, newest first; all there are unless filters or --limit say otherwise.`);
  addStatusOption(list, statuses)
    .option('--limit <N>', 'at most so many', wholeNumber(1, MOST_LISTED))
    .option('--oldest-first', 'in the order they were made');
  addExamples(listed.options?.(list) ?? list, examples);
  list.action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<ListOptions>();
    const { status = [], limit, oldestFirst = false } = options;
    const filter = listed.filterOf?.(options);
    const isFiltered = status.length + Object.keys(filter ?? {}).length > 0;
    await words.within(options, async (client) => {
      const pages = listed.pages(client, { status, newest_first: !oldestFirst, filter }, limit);
      const none = isFiltered ? `no ${noun} matches` : nothing;
      await printList(cli, options, pages, (rows) => columns(rows, cli.out.width), none);
    });
  });
}

export function addStatusOption(command: Command, statuses: readonly string[]): Command {
  return command.option(
    '--status <STATUS>',
    `only those in this status, may be given several times (${statuses.join(', ')})`,
    severalOf(statuses),
  );
}

/** @param nothing said on stderr where there is none */
export async function printList<Row>(
  cli: Cli,
  { json = false }: GlobalOptions,
  pages: AsyncIterable<Row[]>,
  columnsOf: (rows: readonly Row[]) => readonly Column<Row>[],
  nothing: string,
): Promise<void> {
  if (json) return await printJsonArray(cli, pages);
  if (!(await printTable(cli, pages, columnsOf))) await cli.err.line(nothing);
}

export interface ShowWords<Client, Row> {
  readonly description: string;
  readonly examples: readonly Example[];
  /** @param options `json`: what only people are shown need not be asked for */
  look(client: Client, id: string, options: GlobalOptions): Promise<Row>;
  card(row: Row, layout: TableLayout): string;
  /** What programs get of it. Default: all of it. */
  readonly raw?: (row: Row) => object;
}

/** Everything about one of them. */
export function addShowCommand<Client, Row extends object>(
  group: Command,
  words: EntityWords<Client>,
  { description, examples, look, card, raw = (row) => row }: ShowWords<Client, Row>,
): void {
  const show = group
    .command('show')
    .alias('status')
    .summary(`show one ${words.noun}`)
    .description(description)
    .argument('<ID>', idHelpOf(words));
  addExamples(show, examples);
  show.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    const { out } = words.cli;
    await words.within(options, async (client) => {
      const row = await look(client, id, options);
      if (options.json) await out.line(toJson(raw(row)));
      else await out.write(card(row, out));
    });
  });
}

/** What an order is answered with. */
export interface Ordered {
  readonly uid?: string;
  readonly name?: string;
  readonly state?: string;
  readonly status?: string;
  readonly remarks?: string;
}

export interface OrderWords<Client> {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly Example[];
  give(client: Client, order: GivenOrder): Promise<Ordered>;
}

export interface GivenOrder {
  /** As it was named. */
  readonly id: string;
  readonly reason?: string;
  readonly command_id: string;
}

interface OrderOptions extends GlobalOptions {
  readonly reason?: string;
}

/** `owl workload task hold ID --reason TEXT`: prints who it was about and how that is now. */
export function addOrderCommand<Client>(
  group: Command,
  words: EntityWords<Client>,
  { name, summary, description, examples, give }: OrderWords<Client>,
): void {
  const command = group
    .command(name)
    .summary(summary)
    .description(description)
    .argument('<ID>', idHelpOf(words))
    .option('--reason <TEXT>', 'why; it is kept in the history');
  addExamples(command, examples);
  command.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<OrderOptions>();
    const { reason } = options;
    await words.within(options, async (client) => {
      const order = { id, ...(reason !== undefined && { reason }), ...commandId() };
      await giveOrder(words, id, options, () => give(client, order));
    });
  });
}

/** Prints how it is then; who loses the answer is told what tells. */
export async function giveOrder(
  words: EntityNames,
  id: string,
  { json = false }: GlobalOptions,
  give: () => Promise<Ordered>,
): Promise<void> {
  const answer = await sayIfUnknown(lookCommand(words, id), give);
  await words.cli.out.line(json ? toJson(answer) : orderedLine(answer));
}

/** What tells whether an order was carried out. */
export function lookCommand({ command }: EntityNames, id: string): string {
  return `${command} show ${id}`;
}

function orderedLine({ uid, name, state, status, remarks = '' }: Ordered): string {
  const what = `${uid ?? name ?? ''} ${state ?? status ?? ''}`.trim();
  return remarks === '' ? what : `${what}: ${remarks}`;
}
