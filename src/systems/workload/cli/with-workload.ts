/** A client of the node that was asked for, and what the commands about datasets, tasks, jobs and pilots have in common. */

import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { severalOf, wholeNumber } from '../../../cli/arguments.js';
import { toJson } from '../../../cli/format.js';
import { clientOptions, type GlobalOptions, withClient } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import { printJsonArray, printTable } from '../../../cli/lists.js';
import { sayIfUnknown } from '../../../cli/lost-answers.js';
import type { Cli, Example } from '../../../cli/system.js';
import type { Column, TableLayout } from '../../../cli/table.js';
import { NODE } from '../wire/called.js';
import type { EntityOrder } from '../wire/messages.js';
import { WorkloadClient } from '../wire/workload-client.js';

/** Runs `work` with a client of the node that was asked for, and closes it. The client ends with the command. */
export async function withWorkload<T>(
  cli: Cli,
  options: GlobalOptions,
  work: (client: WorkloadClient) => Promise<T>,
): Promise<T> {
  return await withClient(new WorkloadClient({ called: NODE, ...clientOptions(cli, options) }), work);
}

/** An order that is given again after its answer was lost must be a new one; within one call it is the same. */
export function commandId(): { command_id: string } {
  return { command_id: randomUUID() };
}

export const ID_HELP = 'its running number, its uid, or a beginning of that which no other has';

export interface ListOptions extends GlobalOptions {
  readonly status?: string[];
  readonly limit?: number;
  readonly oldestFirst?: boolean;
}

/** @param noun `tasks` */
export function addListCommand(group: Command, noun: string, statuses: readonly string[]): Command {
  return group
    .command('list')
    .summary(`list ${noun}`)
    .description(`Lists ${noun}, newest first; all there are unless filters or --limit say otherwise.`)
    .option(
      '--status <STATUS>',
      `only those in this status, may be given several times (${statuses.join(', ')})`,
      severalOf(statuses),
    )
    .option('--limit <N>', 'at most so many', wholeNumber(1, 1_000_000_000))
    .option('--oldest-first', 'in the order they were made');
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

/** Everything about one thing. */
export async function printOne<Row>(
  { out }: Cli,
  { json = false }: GlobalOptions,
  row: Row,
  cardOf: (row: Row, layout: TableLayout) => string,
): Promise<void> {
  if (json) await out.line(toJson(row));
  else await out.write(cardOf(row, out));
}

/** What an order is answered with. */
interface Ordered {
  readonly uid?: string;
  readonly name?: string;
  readonly state?: string;
  readonly status?: string;
  readonly remarks?: string;
}

export interface OrderWords {
  readonly name: string;
  /** What it is an order about, `task`. */
  readonly noun: string;
  readonly summary: string;
  readonly description: string;
  readonly examples: readonly Example[];
  /** How it is named, where that is not as usual. */
  readonly idHelp?: string;
  give(client: WorkloadClient, order: EntityOrder): Promise<Ordered>;
}

interface OrderOptions extends GlobalOptions {
  readonly reason?: string;
}

/** `owl workload task hold ID --reason TEXT`: prints who it was about and how that is now. */
export function addOrderCommand(group: Command, cli: Cli, words: OrderWords): void {
  const { name, noun, summary, description, examples, idHelp = `the ${noun}: ${ID_HELP}` } = words;
  const command = group
    .command(name)
    .summary(summary)
    .description(description)
    .argument('<ID>', idHelp)
    .option('--reason <TEXT>', 'why; it is kept in the history');
  addExamples(command, examples);
  command.action(async (id: string, _options: unknown, self: Command) => {
    const options = self.optsWithGlobals<OrderOptions>();
    const { reason } = options;
    await withWorkload(cli, options, async (client) => {
      const order = { id, ...(reason !== undefined && { reason }), ...commandId() };
      const answer = await sayIfUnknown(lookCommand(noun, id), () => words.give(client, order));
      await cli.out.line(options.json ? toJson(answer) : orderedLine(answer));
    });
  });
}

/** What tells whether an order was carried out. */
export function lookCommand(noun: string, id: string): string {
  return `owl workload ${noun} show ${id}`;
}

export function orderedLine({ uid, name, state, status, remarks = '' }: Ordered): string {
  const what = `${uid ?? name ?? ''} ${state ?? status ?? ''}`.trim();
  return remarks === '' ? what : `${what}: ${remarks}`;
}
