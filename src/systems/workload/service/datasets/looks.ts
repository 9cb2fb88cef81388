/**
 * What looks into storage and may take long: scans, verifications, collections.
 *
 * Guarantees: one at a time of its kind and dataset on this node; who asks meanwhile waits for the one under way, and one whose caller
 * has gone goes on, so who asks again gets on; they end with the node. What an order with an id was answered once is answered again. Who
 * follows a look by the id of its order hears how far it is, and how it ended, also where that was while nobody asked.
 */

import { settlesWithin } from '../../../../base/backoff.js';
import { OwlError } from '../../../../base/errors.js';
import { KeptLately } from '../../../../base/kept-lately.js';
import type { Asking } from '../../../../node/operations/operation.js';
import type { JsonObject } from '../../../../runtime/event-store/event-store.js';
import type { WorkloadContext } from '../workload-context.js';
import { type DatasetOrder, firstAnswer } from './first-answer.js';

/** Ends that nobody has asked for yet. */
const MOST_FOLLOWED = 1_000;

/** @param tell how far it is, as an answer has it */
export type Look = (signal: AbortSignal, tell: (soFar: JsonObject) => void) => Promise<JsonObject>;

interface UnderWay {
  readonly answer: Promise<JsonObject>;
  soFar: JsonObject;
}

export interface Looked {
  readonly isOver: boolean;
  readonly answer: JsonObject;
}

export class Looks {
  private readonly underWay = new Map<string, UnderWay>();
  /** By dataset and id of the order. */
  private readonly followed = new KeptLately<string, Promise<JsonObject>>({
    limit: MOST_FOLLOWED,
    weightOf: () => 1,
  });
  private readonly closing = new AbortController();
  private readonly context: Pick<WorkloadContext, 'system' | 'clock'>;

  constructor(context: Pick<WorkloadContext, 'system' | 'clock'>) {
    this.context = context;
  }

  /** @throws OwlError kind `not_found`, or what `look` throws */
  async answer(order: DatasetOrder, asking: Asking, look: Look): Promise<JsonObject> {
    return (await this.first(order, asking)) ?? (await this.whole(order, asking, look));
  }

  /** How far it is after so long, and the whole answer once it is over. @throws as `answer` does */
  async answerWithin(
    order: DatasetOrder & { readonly id: string },
    asking: Asking,
    look: Look,
    waitMs: number,
  ): Promise<Looked> {
    const first = await this.first(order, asking);
    if (first !== undefined) return { isOver: true, answer: first };
    const key = `${order.uid} ${order.id}`;
    const whole = this.followed.get(key) ?? this.whole(order, asking, look);
    this.followed.set(key, whole);
    if (!(await settlesWithin(this.context.clock, waitMs, whole)))
      return { isOver: false, answer: this.underWay.get(keyOf(order))?.soFar ?? {} };
    this.followed.delete(key);
    return { isOver: true, answer: await whole };
  }

  /** Those under way end, and who waits for them is told. */
  abort(): void {
    this.closing.abort(new OwlError('unavailable', 'this node is shutting down; ask another or later'));
  }

  async end(): Promise<void> {
    this.abort();
    await Promise.allSettled([...this.underWay.values()].map(({ answer }) => answer));
  }

  private async first(order: DatasetOrder, asking: Asking): Promise<JsonObject | undefined> {
    const first = await firstAnswer(this.context, order, asking.who, undefined);
    asking.repeated(first !== undefined);
    return first;
  }

  private async whole(order: DatasetOrder, asking: Asking, look: Look): Promise<JsonObject> {
    const answer = await this.underWayOr(keyOf(order), look);
    return (await firstAnswer(this.context, order, asking.who, answer)) ?? answer;
  }

  private async underWayOr(key: string, look: Look): Promise<JsonObject> {
    const before = this.underWay.get(key);
    if (before !== undefined) return await before.answer;
    const tell = (soFar: JsonObject): void => {
      begun.soFar = soFar;
    };
    // Behind what is answered without waiting for anything.
    const answer = Promise.resolve().then(() => look(this.closing.signal, tell));
    const begun: UnderWay = { answer, soFar: {} };
    this.underWay.set(key, begun);
    try {
      return await answer;
    } finally {
      this.underWay.delete(key);
    }
  }
}

function keyOf({ name, uid }: DatasetOrder): string {
  return `${name} ${uid}`;
}
