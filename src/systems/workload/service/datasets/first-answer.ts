/**
 * What an order of a dataset was answered, kept in its stream under the order's id, also where nothing of the dataset changed.
 *
 * Guarantee: who sends it again gets the first answer, and another order under that id is refused as `exists`.
 */

import type { DatasetSnapshot } from '../../../../../machines/workload/dataset.js';
import { OwlError } from '../../../../base/errors.js';
import type { AnsweredDecision } from '../../../../runtime/actors/actor-type.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
import type { WorkloadContext } from '../workload-context.js';
import { noDataset } from './dataset-commands.js';
import { dataset } from './dataset-types.js';

export interface DatasetOrder {
  /** `scan` */
  readonly name: string;
  readonly uid: string;
  readonly id: string | undefined;
  readonly content?: JsonObject;
}

/**
 * @param answer undefined to ask only; then undefined where there is none yet. Without an id nothing is kept.
 * @throws OwlError kind `not_found`, `exists`
 */
export async function firstAnswer(
  { system }: Pick<WorkloadContext, 'system'>,
  { name, uid, id, content = {} }: DatasetOrder,
  by: string,
  answer: JsonObject | undefined,
): Promise<JsonObject | undefined> {
  const order = id === undefined ? {} : { id, asks: { name, content } };
  const decide = ({ value }: DatasetSnapshot): AnsweredDecision<JsonObject> => {
    if (value === 'absent') throw noDataset(uid);
    if (answer === undefined || id === undefined) throw new NotYet();
    return { events: [], answer };
  };
  try {
    return (await system.execute(dataset, uid, { ...order, by, decide })).answer;
  } catch (error) {
    if (error instanceof NotYet) return undefined;
    throw error;
  }
}

class NotYet extends OwlError {
  override readonly name = 'NotYet';

  constructor() {
    super('refused', 'it was not carried out yet');
  }
}
