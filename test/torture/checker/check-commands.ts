/**
 * Holds what the peers were told against the history. Guarantees that are checked: an accepted order stands in the store exactly
 * once, where its answer says and with what it asked; one that was refused does not stand there; all its answers are the same;
 * nothing stands there as an order that nobody gave; a report that was answered as recorded stands there once, and one with
 * nothing new told nothing that was not known.
 */

import { type CommandPlace, type History, placeOf, sessionKey } from './check-history.js';
import type { OrderName, Told, ToldOrder, ToldReport } from './told.js';
import type { Violations } from './violations.js';

/** The one event of an order; `OrderAccepted` where it changed nothing. */
const EVENTS_OF: Readonly<Record<OrderName, readonly string[]>> = {
  create: ['PlotTaskReceived'],
  stop: ['PlotTaskStopRequested', 'OrderAccepted'],
  retry: ['PlotTaskRetried'],
};

/** How many commands it has looked at. */
export function checkCommands(told: Told, history: History, violations: Violations): number {
  const orders = new Set<string>();
  let count = 0;
  for (const command of told.commands) {
    count += 1;
    const stream = `plot_task-${command.task}`;
    const place = history.commands.get(placeOf(stream, command.commandId));
    const where = `command ${command.commandId} to ${command.task}`;
    const tell: Tell = (rule, what) => violations.add(rule, where, what);
    // What a faulty disk has eaten can't be told any more.
    const lost = told.poisoned.get(stream) ?? Number.POSITIVE_INFINITY;
    if (place !== undefined && place.again !== undefined)
      tell('acknowledged-once', `stored again: ${place.again}`);
    if (command.kind === 'report') checkReport(command, place, history, lost, tell);
    else {
      orders.add(placeOf(stream, command.commandId));
      checkOrder(command, place, lost, tell);
    }
  }
  for (const [key, { asked, types }] of history.commands)
    if (asked !== undefined && !orders.has(key))
      violations.add('nobody-ordered', key, `${types.join(', ')} of an order that nobody gave`);
  for (const { worker, session, told: what } of told.sessions)
    if (!history[what].has(sessionKey(worker, session)))
      violations.add(
        'acknowledged-once',
        `session ${session} of ${worker}`,
        `told ${what}, and no event says so`,
      );
  return count;
}

type Tell = (rule: 'acknowledged-once' | 'answered-alike' | 'refused-not-stored', what: string) => void;

function checkOrder(order: ToldOrder, place: CommandPlace | undefined, lost: number, tell: Tell): void {
  const { accepted, refused, name, copies } = order;
  const [revision] = accepted;
  if (new Set(accepted).size > 1) tell('answered-alike', `answered with revisions ${accepted.join(', ')}`);
  const isRefused = refused.length > 0 && copies === 1;
  if (revision !== undefined && isRefused)
    tell('answered-alike', `accepted at revision ${revision}, and refused: ${refused[0]}`);
  if (place !== undefined) {
    if (revision === undefined && isRefused)
      tell('refused-not-stored', `refused (${refused[0]}), and stored at revision ${place.first}`);
    checkStoredOrder(order, place, tell);
  }
  if (revision === undefined || revision >= lost) return;
  if (place === undefined)
    tell('acknowledged-once', `${name} accepted at revision ${revision}, and not stored`);
  else if (place.last !== revision)
    tell('acknowledged-once', `${name} accepted at revision ${revision}, and stored at ${place.last}`);
}

function checkStoredOrder({ name }: ToldOrder, { types, asked }: CommandPlace, tell: Tell): void {
  const [type = '', ...more] = types;
  if (!EVENTS_OF[name].includes(type) || more.length > 0)
    tell('acknowledged-once', `${name} became ${types.join(', ')}`);
  if (asked === undefined || !/^[a-z]+\/[0-9a-f]{20}$/.test(asked) || !asked.startsWith(`${name}/`))
    tell('acknowledged-once', `${name} is remembered as ${asked}`);
}

function checkReport(
  { accepted, attempt, logOffset, task }: ToldReport,
  place: CommandPlace | undefined,
  history: History,
  lost: number,
  tell: Tell,
): void {
  for (const { revision, recorded } of accepted) {
    if (revision >= lost) continue;
    if (recorded && place?.last !== revision)
      tell('acknowledged-once', `recorded at revision ${revision}, and stored at ${place?.last ?? 'none'}`);
    if (recorded) continue;
    const known = history.at(task, revision);
    if (known === undefined)
      tell('acknowledged-once', `nothing new at revision ${revision}, which is not stored`);
    else if (known.attempt !== attempt || known.logOffset < logOffset)
      tell(
        'acknowledged-once',
        `nothing new at revision ${revision}, where offset ${logOffset} of attempt ${attempt} was not known`,
      );
  }
}
