/** What pilots are told to do beside taking work: to end a payload, and to take nothing new. */

import { textIn } from '../../../../base/sql.js';
import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import type { JobQueries } from '../jobs/job-queries.js';
import type { PilotLine, WorkStreams } from './work-streams.js';

export class PilotOrders {
  private readonly queries: JobQueries;
  private readonly streams: WorkStreams;
  /** What a payload that is told to end gets to end by itself. */
  private readonly graceSeconds: number;

  constructor(queries: JobQueries, streams: WorkStreams, graceSeconds: number) {
    this.graceSeconds = graceSeconds;
    this.queries = queries;
    this.streams = streams;
  }

  /** What was applied just now. */
  observe(events: readonly RecordedEvent[]): void {
    for (const { type, stream, data } of events) {
      if (type === 'PilotDrainRequested' || type === 'PilotRetired')
        this.streams.of(idOf(stream))?.tell({ drain: true });
      if (type === 'JobCancelRequested')
        this.tellCancelled(idOf(stream), String(data['reason']), Number(data['grace_seconds']));
    }
  }

  /** To who connects: all that there is. */
  greet(stream: PilotLine): void {
    if (this.queries.pilot(stream.pilot)?.['status'] === 'draining') stream.tell({ drain: true });
    for (const row of this.queries.underWayOf(stream.pilot))
      if (row['state'] === 'cancelling')
        stream.tell({
          cancel: {
            ...{ job: textIn(row, 'id'), claim_id: textIn(row, 'claim_id') },
            ...{ grace_seconds: this.graceSeconds, reason: 'it is cancelled' },
          },
        });
  }

  private tellCancelled(uid: string, reason: string, graceSeconds: number): void {
    const row = this.queries.row(uid);
    if (row?.['state'] !== 'cancelling') return;
    const [pilot, claimId] = [row['pilot'], row['claim_id']];
    if (typeof pilot !== 'string' || typeof claimId !== 'string') return;
    const cancel = { job: uid, claim_id: claimId, grace_seconds: graceSeconds, reason };
    this.streams.of(pilot)?.tell({ cancel });
  }
}
