/** Orders in the log of the node that took them: one line for each that was carried out, with what it is about and who gave it. */

import type { Logger } from 'pino';
import type { Asking, ServedOperation } from './operation.js';

/** Of an order that makes many. */
const MOST_NAMED = 20;

/** The fields of a request, or else of its answer, that say what an order is about; each is a field of the line. */
export type NamedBy = Readonly<Record<string, string>>;

/** The same operation, which tells the log of what was ordered by it. @param names of what is asked for, `{ uid: 'task' }` */
export function loggingOrders(served: ServedOperation, logger: Logger, names: NamedBy): ServedOperation {
  const { operation, handle } = served;
  if (operation.kind !== 'decision' || 'follow' in handle) return served;
  const { name, commandId } = operation;
  const answer = async (request: unknown, asking: Asking): Promise<object> => {
    let isRepeated = false;
    const listened: Asking = {
      address: asking.address,
      who: asking.who,
      get over() {
        return asking.over;
      },
      repeated(duplicate) {
        isRepeated = duplicate;
        asking.repeated(duplicate);
      },
    };
    const answered = await handle.answer(request, listened);
    const told: Record<string, unknown> = { order: name, by: asking.who };
    for (const [field, as] of Object.entries(names)) {
      const value = textIn(answered, field) ?? textIn(request, field);
      if (value !== undefined) told[as] = value;
    }
    const several = names['uid'];
    if (several !== undefined && told[several] === undefined) told[several] = uidsIn(answered);
    const command = commandId === undefined ? undefined : textIn(request, commandId);
    if (command !== undefined) told['command'] = command;
    logger.info(told, isRepeated ? 'order repeated' : 'order carried out');
    return answered;
  };
  return { ...served, handle: { answer } };
}

/** Of an answer that is a list of what was made. */
function uidsIn(answered: object): string[] | undefined {
  const made: unknown[] | undefined = Object.values(answered).find((value) => Array.isArray(value));
  return made?.slice(0, MOST_NAMED).flatMap((one) => textIn(one, 'uid') ?? []);
}

function textIn(message: unknown, field: string): string | undefined {
  const value: unknown = Object(message)[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
