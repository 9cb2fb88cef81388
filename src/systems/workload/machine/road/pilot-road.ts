/**
 * The way between a pilot and its node, as the pilot needs it; what a job's history says does not depend on which one it is.
 *
 * What each holds to: a report is told until it is answered, and those of one job in the order they were told; what comes to nothing
 * rejects, and is tried again by who asked; hints and orders may come twice, late, or not at all, for the node repeats them.
 */

import type { LeaseCalls } from '../../../../peers/holder/lease-holder.js';
import type { PeerGrant } from '../../../../peers/holder/peer-calls.js';
import type { PeerAttachRequest } from '../../../../wire/peer-messages.js';
import type {
  JobInputs,
  JobInputsRequest,
  PilotReportAnswer,
  PilotSample,
  PilotTold,
  Work,
} from '../../wire/pilot-messages.js';
import type { HintOver } from '../hints.js';

/** What a session hears and is asked while the other end is there. */
export interface Hearing {
  /** @param over of a hint: told what became of it */
  onWork(work: Work, over?: HintOver): void;
  /** Hints that it could ask for at once. */
  room(): number;
  /** Of the pilot, as they are now. */
  sample(): Promise<PilotSample>;
  /** Resolves when it is answered. */
  tell(told: PilotTold): Promise<unknown>;
}

export interface Session {
  readonly pilot: string;
  readonly sessionId: string;
}

export interface Reports {
  /** Rejects when it is closed before there is an answer. */
  send(told: PilotTold): Promise<PilotReportAnswer>;
  close(): void;
}

export interface PilotRoad {
  /** Where it leads, for people: without secrets. */
  readonly place: string;
  /** The calls of a lease. */
  lease(who: PeerAttachRequest, hearing: Hearing): LeaseCalls<PeerGrant>;
  /** Hints and orders until the signal aborts. Its end is a break. @param beatMs from one sample to the next */
  serve(session: Session, beatMs: number, hearing: Hearing, signal: AbortSignal): Promise<void>;
  /** To be closed before the road. @param session that holds the lease by now */
  reports(pilot: string, session: () => string): Reports;
  jobInputs(request: JobInputsRequest): Promise<JobInputs>;
  /** There is more or less room for hints than before. */
  noteRoom(): void;
  close(): void | Promise<void>;
}
