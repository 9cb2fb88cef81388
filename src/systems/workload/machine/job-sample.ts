/** An attempt as its node hears of it now and then. */

import type { JobSample } from '../wire/pilot-messages.js';
import type { PayloadFigures } from './running-payload.js';

export type AttemptPhase = 'claiming' | 'staging' | 'running' | 'storing' | 'telling';

/** As the node calls them. */
const PHASES: Readonly<Record<AttemptPhase, string>> = {
  ...{ claiming: 'staging', staging: 'staging', running: 'running', storing: 'storing', telling: 'storing' },
};

export function sampleOf(
  job: string,
  claim_id: string,
  phase: AttemptPhase,
  { cpu, rss, logBytes }: Partial<PayloadFigures> = {},
): JobSample {
  return {
    ...{ job, claim_id, phase: PHASES[phase] },
    ...(cpu === undefined ? {} : { cpu }),
    ...(rss === undefined ? {} : { rss }),
    ...(logBytes === undefined ? {} : { log_bytes: logBytes }),
  };
}
