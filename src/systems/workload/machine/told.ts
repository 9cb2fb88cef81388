/** Reports of how an attempt came out. Each has a command id that follows from its claim, so that telling it again tells nothing new. */

import type { PilotReportAnswer, PilotTold } from '../wire/pilot-messages.js';
import { AttemptError } from './failure.js';

export function failedTold(
  { job, claim_id }: { readonly job: string; readonly claim_id: string },
  { failureClass, found }: AttemptError,
  detail: string,
  more: PilotTold['failed'] = {},
): PilotTold {
  return {
    command_id: `${claim_id}.failed`,
    failed: { job, claim_id, failure_class: failureClass, detail, ...more, ...found },
  };
}

/** The node did not take the outputs of a payload that has ended well. @param storageProblem where that is why */
export function untakenTold(
  of: { readonly job: string; readonly claim_id: string },
  storageProblem: string | undefined,
  msg: string,
): PilotTold {
  const why = storageProblem === undefined ? 'output_missing' : 'storage_unavailable';
  const failure = new AttemptError(why, `the node did not take its outputs: ${msg}`);
  return failedTold(of, failure, failure.message);
}

export function cancelledTold(job: string, claim_id = '', processes_ended = 0): PilotTold {
  return { command_id: `${claim_id}.cancelled`, cancelled: { job, claim_id, processes_ended } };
}

/** What is to be cancelled is not here, nor was left here. */
export function unknownTold(job: string, claim_id: string): PilotTold {
  return { command_id: `${claim_id}.cancelled`, cancelled: { job, claim_id, unknown: true } };
}

/** Where a node sees what the pilot does not: the reasons of its answers. */
const OF_THE_STORAGE: ReadonlySet<string | undefined> = new Set([
  ...['storage_unavailable', 'output_not_there', 'size_mismatch'],
]);

/** How this machine could not use the storage, as its pilot has found, or its node. */
export function storageProblemIn({ failed }: PilotTold, answer: PilotReportAnswer): string | undefined {
  if (failed?.failure_class === 'storage_unavailable') return failed.detail ?? '';
  return OF_THE_STORAGE.has(answer.reason) ? (answer.msg ?? '') : undefined;
}
