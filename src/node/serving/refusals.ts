/**
 * In-band refusals, made from the one error taxonomy, for contracts whose peers expect an answer with a reason, not a gRPC
 * error. What may succeed when it is sent again unchanged stays a gRPC error, because an in-band refusal reads as final.
 */

import { isRefusal } from '../../base/failure-kinds.js';

/** What `work` answers, or `refused` for the reason of a refusal. Throws on whatever is none. */
export async function answerInBand<Answer>(
  work: () => Promise<Answer>,
  refused: (reason: string) => Answer,
): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (isRefusal(error)) return refused(error.message);
    throw error;
  }
}
