/**
 * What overlords and operators may order: create, stop, retry, and to call failed what nobody speaks of.
 *
 * Guarantees: a command is answered once its events are durable; a refused one is `is_success = false` with the reason, as
 * old peers expect; the id of an order is known for a day, and refused for another one; a query shows at least everything this node has acknowledged before; of a task whose history can't be read
 * on, the history gives what comes before and then says what it is, the row says so, and commands are refused with it.
 */

import type { PlotTaskSnapshot } from '../../../../machines/talent/plot-task.js';
import type { PlotTaskEvent } from '../../../../machines/talent/plot-task-events.js';
import * as rules from '../../../base/field-rules.js';
import { answered, type ServedOperation } from '../../../node/operations/operation.js';
import { type Peer, unary } from '../../../node/serving/calls.js';
import { answerInBand } from '../../../node/serving/refusals.js';
import type { JsonObject } from '../../../runtime/event-store/event-store.js';
import type { PlotTaskCreateRequest, PlotTaskStatusResponse, PlotTaskStopRequest } from '../wire/messages.js';
import { failTask, retryTask } from './operations/task-operations.js';
import { readOrder } from './order-message.js';
import { fail, plotTask, receive, retry, stop, stopByForce } from './plot-task-commands.js';
import { assertUnheard, settlingAdvice } from './supervisors/unheard.js';
import { nowSeconds, type TalentContext } from './talent-context.js';

const NAMES = { on_create: 'create', on_stop: 'stop', on_retry: 'retry', on_fail: 'fail' } as const;
const DONE = {
  on_create: 'received',
  on_stop: 'stop accepted',
  on_retry: 'received again',
  on_fail: 'failed',
} as const;

/** Those of the contract of the field. */
export function overlordHandlers(talent: TalentContext) {
  const { logger, clock } = talent;

  /** Carries out one order and answers it in-band. */
  function answer(
    type: keyof typeof DONE,
    request: OrderRequest,
    peer: Peer,
    read: (taskId: string) => Order,
  ): Promise<PlotTaskStatusResponse> {
    return answerInBand<PlotTaskStatusResponse>(
      async () => (await carryOut(talent, type, request, peer, read)).answer,
      (msg) => ({ type, is_success: false, msg }),
    );
  }

  const create = (request: PlotTaskCreateRequest, peer: Peer) =>
    answer('on_create', request, peer, () => {
      const order = readOrder(request, talent.workerId, nowSeconds(clock));
      const { received_time: _, ...content } = order;
      return { content, decide: (task) => receive(task, order) };
    });

  const stopTask = (request: PlotTaskStopRequest, peer: Peer) =>
    answer('on_stop', request, peer, (taskId) => {
      const reason = rules.optional('reason', request.reason, rules.isRemarks);
      const content = { reason: reason ?? '' };
      // What was asked for without it has been remembered without it.
      if (request.force !== true) return { content, decide: (task) => stop(task, taskId, reason) };
      return {
        content: { ...content, force: true },
        unheard: true,
        decide: (task) => stopByForce(task, taskId, reason),
      };
    });

  return { plot_task_create: unary(logger, create), plot_task_stop: unary(logger, stopTask) };
}

export function overlordOperations(talent: TalentContext): ServedOperation[] {
  return [
    answered(retryTask, async (request, asking) => {
      const { answer, duplicate } = await carryOut(talent, 'on_retry', request, asking, (taskId) => ({
        content: { reason: request.reason ?? '' },
        decide: (task) => retry(task, taskId, request.reason, nowSeconds(talent.clock)),
      }));
      asking.repeated(duplicate);
      return answer;
    }),
    answered(failTask, async (request, asking) => {
      const { reason } = request;
      const { answer, duplicate } = await carryOut(talent, 'on_fail', request, asking, (taskId) => ({
        content: { reason },
        unheard: true,
        decide: (task) => fail(task, taskId, reason),
      }));
      asking.repeated(duplicate);
      return answer;
    }),
  ];
}

/** @throws OwlError with the reason of a refusal */
async function carryOut(
  talent: TalentContext,
  type: keyof typeof DONE,
  request: OrderRequest,
  { who }: Pick<Peer, 'who'>,
  read: (taskId: string) => Order,
): Promise<{ answer: PlotTaskStatusResponse; duplicate: boolean }> {
  const taskId = rules.given('task_id', request.task_id, rules.isId);
  const id = rules.optional('command_id', request.command_id, rules.isId);
  const { content, decide, unheard = false } = read(taskId);
  if (unheard) await assertUnheard(talent.system, taskId);
  const { revision, duplicate, snapshot } = await talent.system.execute(plotTask, taskId, {
    ...(id === undefined ? {} : { id }),
    asks: { name: NAMES[type], content },
    by: `overlord ${who}`,
    decide,
  });
  const advice = snapshot.value === 'stopping' ? await settlingAdvice(talent.system, snapshot) : '';
  const { order } = snapshot.context;
  const absence =
    (type !== 'on_create' && type !== 'on_retry') || order === null
      ? undefined
      : talent.knownSupervisors.absenceOf(order.worker_id);
  const msg = absence === undefined ? `${DONE[type]}${advice}` : `${DONE[type]}; ${absence}`;
  return { answer: { type, is_success: true, msg, revision }, duplicate };
}

interface OrderRequest {
  readonly task_id?: string | undefined;
  readonly command_id?: string | undefined;
}

/** What an overlord asks for: what makes it this order and no other, and what follows from it. */
interface Order {
  readonly content: JsonObject;
  /** It is for tasks of whose machine nobody is there. */
  readonly unheard?: boolean;
  decide(task: PlotTaskSnapshot): readonly PlotTaskEvent[];
}
