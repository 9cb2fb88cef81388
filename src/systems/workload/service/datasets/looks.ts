/**
 * What looks into storage and may take long: scans, verifications, collections.
 *
 * Guarantees: one at a time of its kind and dataset on this node; who asks meanwhile waits for the one under way, and one whose caller
 * has gone goes on, so who asks again gets on; they end with the node. What an order with an id was answered once is answered again.
 */

import { OwlError } from '../../../../base/errors.js';
import type { Asking } from '../../../../node/operations/operation.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
import type { WorkloadContext } from '../workload-context.js';
import { type DatasetOrder, firstAnswer } from './first-answer.js';

export class Looks {
  private readonly underWay = new Map<string, Promise<JsonObject>>();
  private readonly closing = new AbortController();
  private readonly context: Pick<WorkloadContext, 'system'>;

  constructor(context: Pick<WorkloadContext, 'system'>) {
    this.context = context;
  }

  /** @throws OwlError kind `not_found`, or what `look` throws */
  async answer(
    order: DatasetOrder,
    asking: Asking,
    look: (signal: AbortSignal) => Promise<JsonObject>,
  ): Promise<JsonObject> {
    const first = await firstAnswer(this.context, order, asking.who, undefined);
    asking.repeated(first !== undefined);
    if (first !== undefined) return first;
    const answer = await this.underWayOr(`${order.name} ${order.uid}`, look);
    return (await firstAnswer(this.context, order, asking.who, answer)) ?? answer;
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
}
