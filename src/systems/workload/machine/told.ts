/** Reports of how an attempt came out. Each has a command id that follows from its claim, so that telling it again tells nothing new. */

import type { PilotTold } from '../wire/pilot-messages.js';
import type { AttemptError } from './failure.js';

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

export function cancelledTold(job: string, claim_id = '', processes_ended = 0): PilotTold {
  return { command_id: `${claim_id}.cancelled`, cancelled: { job, claim_id, processes_ended } };
}

/** What is to be cancelled is not here, nor was left here. */
export function unknownTold(job: string, claim_id: string): PilotTold {
  return { command_id: `${claim_id}.cancelled`, cancelled: { job, claim_id, unknown: true } };
}
