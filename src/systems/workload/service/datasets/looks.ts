/**
 * What looks into storage and may take long: scans, verifications, collections.
 *
 * Guarantees: one at a time of its kind and dataset on this node; who asks meanwhile waits for the one under way, and one whose caller
 * has gone goes on, so who asks again gets on; they end with the node. What an order with an id was answered once is answered again.
 */

import type { DatasetSnapshot } from '../../../../../machines/workload/dataset.js';
import { OwlError } from '../../../../base/errors.js';
import type { Asking } from '../../../../node/operations/operation.js';
import type { AnsweredDecision } from '../../../../runtime/actors/actor-type.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
import type { WorkloadContext } from '../workload-context.js';
import { noDataset } from './dataset-commands.js';
import { dataset } from './dataset-types.js';

export interface LookOrder {
  /** `scan` */
  readonly name: string;
  readonly uid: string;
  readonly id: string | undefined;
}

export class Looks {
  private readonly underWay = new Map<string, Promise<JsonObject>>();
  private readonly closing = new AbortController();
  private readonly system: WorkloadContext['system'];

  constructor({ system }: Pick<WorkloadContext, 'system'>) {
    this.system = system;
  }

  /** @throws OwlError kind `not_found`, or what `look` throws */
  async answer(
    order: LookOrder,
    asking: Asking,
    look: (signal: AbortSignal) => Promise<JsonObject>,
  ): Promise<JsonObject> {
    const first = await this.record(order, asking.who, undefined);
    asking.repeated(first !== undefined);
    if (first !== undefined) return first;
    const answer = await this.underWayOr(`${order.name} ${order.uid}`, look);
    return (await this.record(order, asking.who, answer)) ?? answer;
  }

  /** Those under way end, and who waits for them is told. */
  abort(): void {
    this.closing.abort(new OwlError('unavailable', 'this node is shutting down; ask another or later'));
  }

  async end(): Promise<void> {
    this.abort();
    await Promise.allSettled(this.underWay.values());
  }

  private async underWayOr(
    key: string,
    look: (signal: AbortSignal) => Promise<JsonObject>,
  ): Promise<JsonObject> {
    const before = this.underWay.get(key);
    if (before !== undefined) return await before;
    const begun = look(this.closing.signal);
    this.underWay.set(key, begun);
    try {
      return await begun;
    } finally {
      this.underWay.delete(key);
    }
  }

  /** The answer under the order's id. @param answer undefined to ask only; then undefined where there is none yet */
  private async record(
    { name, uid, id }: LookOrder,
    by: string,
    answer: JsonObject | undefined,
  ): Promise<JsonObject | undefined> {
    const order = id === undefined ? {} : { id, asks: { name, content: {} } };
    const decide = ({ value }: DatasetSnapshot): AnsweredDecision<JsonObject> => {
      if (value === 'absent') throw noDataset(uid);
      if (answer === undefined || id === undefined) throw new NotYet();
      return { events: [], answer };
    };
    try {
      return (await this.system.execute(dataset, uid, { ...order, by, decide })).answer;
    } catch (error) {
      if (error instanceof NotYet) return undefined;
      throw error;
    }
  }
}

class NotYet extends OwlError {
  override readonly name = 'NotYet';

  constructor() {
    super('refused', 'it was not carried out yet');
  }
}
