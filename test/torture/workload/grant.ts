/** What a grant says, and what an attempt under it says that it wrote. */

import type { PilotReportAnswer } from '../../../src/systems/workload/service/pilots/report-messages.js';

interface Ordered {
  readonly uid: string;
  readonly file_name: string;
}

export interface Grant {
  readonly job: string;
  readonly task: string;
  readonly claim_id: string;
  readonly attempt: number;
  readonly outputs: readonly Ordered[];
  readonly log: Ordered;
}

/** As far as it is there; every field of a message may be missing. */
export function grantIn(told: NonNullable<PilotReportAnswer['grant']>): Grant {
  const nothing = { uid: '', file_name: '' };
  return { task: '', outputs: [], log: nothing, ...told };
}

export function writtenBy({ job, task, attempt, outputs, log }: Grant) {
  const below = task === '' ? job : task;
  const written = ({ uid, file_name }: Ordered) => ({
    ...{ uid, file_name, path: `${below}/${ofAttempt(file_name, attempt)}`, size: 4 },
    ...{ check_sum: 'b026324c6904b2a9cb4b88d6d61c81d1', sha256: '4'.repeat(64) },
  });
  return { outputs: outputs.map(written), log: written(log) };
}

/** `a.j1.txt` of the second attempt is `a.j1.a2.txt`. */
function ofAttempt(name: string, attempt: number): string {
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? `${name}.a${attempt}` : `${name.slice(0, dot)}.a${attempt}${name.slice(dot)}`;
}
