/** The way to a node over gRPC: owl.Peers for the lease, PilotManager for all else. */

import type { Logger } from 'pino';
import { orAborted } from '../../../../base/backoff.js';
import type { Clock } from '../../../../base/clock.js';
import { every } from '../../../../base/repeat.js';
import type { LeaseCalls } from '../../../../peers/holder/lease-holder.js';
import { type PeerGrant, peerCalls } from '../../../../peers/holder/peer-calls.js';
import type { ClientCredentials } from '../../../../wire/credentials.js';
import type { PeerAttachRequest } from '../../../../wire/peer-messages.js';
import { PeersClient } from '../../../../wire/peers-client.js';
import { PilotClient } from '../../wire/pilot-client.js';
import type { JobInputs, JobInputsRequest } from '../../wire/pilot-messages.js';
import type { Hearing, PilotRoad, Reports, Session } from './pilot-road.js';

export interface GrpcRoadOptions {
  /** HOST:PORT of the node, which may come later. */
  readonly server: string;
  readonly credentials?: ClientCredentials;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class GrpcRoad implements PilotRoad {
  readonly place: string;
  private readonly clock: Clock;
  private readonly client: PilotClient;
  private readonly peers: PeersClient;

  constructor({ server, credentials = {}, clock, logger }: GrpcRoadOptions) {
    this.place = server;
    this.clock = clock;
    this.client = new PilotClient({ server, credentials, clock, logger });
    this.peers = new PeersClient({ server, credentials });
  }

  lease(who: PeerAttachRequest): LeaseCalls<PeerGrant> {
    return peerCalls(this.peers, who);
  }

  async serve(
    { pilot, sessionId }: Session,
    beatMs: number,
    hearing: Hearing,
    signal: AbortSignal,
  ): Promise<void> {
    const over = new AbortController();
    const ending = AbortSignal.any([signal, over.signal]);
    const sampling = every({ clock: this.clock, pauseMs: beatMs, signal: ending }, async () => {
      // One that is not answered yet is followed by none.
      const told = hearing.sample().then((sample) => hearing.tell({ sample }));
      await orAborted(told, ending).catch(() => undefined);
    });
    try {
      for await (const work of this.client.work({ pilot, session_id: sessionId }, ending))
        hearing.onWork(work);
    } finally {
      over.abort();
      await sampling;
    }
  }

  reports(pilot: string, session: () => string): Reports {
    return this.client.reports(pilot, session);
  }

  jobInputs(request: JobInputsRequest): Promise<JobInputs> {
    return this.client.jobInputs(request);
  }

  /** The node knows from samples and grants. */
  noteRoom(): void {}

  close(): void {
    this.client.close();
    this.peers.close();
  }
}
