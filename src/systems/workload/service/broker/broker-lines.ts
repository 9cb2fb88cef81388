/**
 * The lines to pilots that speak over the broker: one for each session that was heard here, until it is over.
 *
 * Guarantee: a session is told what it missed once its line is open; a node that takes over from another opens one with the next message.
 */

import type { PilotSessions } from '../pilots/pilot-sessions.js';
import type { PilotLine, WorkStreams } from '../pilots/work-streams.js';
import { BrokerLine, type SendToPilot } from './broker-line.js';

export interface BrokerLinesOptions {
  readonly sessions: PilotSessions;
  readonly streams: WorkStreams;
  readonly greet: (line: PilotLine) => Promise<void>;
  readonly send: SendToPilot;
}

export class BrokerLines {
  private readonly options: BrokerLinesOptions;

  constructor(options: BrokerLinesOptions) {
    this.options = options;
  }

  /** Where it has none, by broker or by gRPC. @throws OwlError reason `stale_session` */
  async open(pilot: string, sessionId: string): Promise<void> {
    const { sessions, streams, greet, send } = this.options;
    if (streams.of(pilot)?.sessionId === sessionId) return;
    const over = await sessions.follow(pilot, sessionId);
    if (over.aborted || streams.of(pilot)?.sessionId === sessionId) return;
    const line = new BrokerLine(pilot, sessionId, send);
    const close = streams.open(line);
    over.addEventListener(
      'abort',
      () => {
        line.replace();
        close();
      },
      { once: true },
    );
    await greet(line);
  }
}
