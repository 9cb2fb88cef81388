/** What one session of a pilot is told over the broker, unasked. What is lost is told again, as on a stream of work. */

import { uuidOf } from '../../../../base/uuid.js';
import type { ManagerType } from '../../wire/amqp/envelope.js';
import type { PilotLine, WorkMessage } from '../pilots/work-streams.js';

/** To the queue of a pilot. */
export type SendToPilot = (
  pilot: string,
  type: ManagerType,
  body: Readonly<Record<string, unknown>>,
  messageId: string,
  correlationId?: string,
) => void;

export class BrokerLine implements PilotLine {
  readonly pilot: string;
  readonly sessionId: string;
  private readonly send: SendToPilot;
  private isReplaced = false;
  private told = 0;

  constructor(pilot: string, sessionId: string, send: SendToPilot) {
    this.pilot = pilot;
    this.sessionId = sessionId;
    this.send = send;
  }

  /** Hints are in the queue of their device. */
  tell({ cancel, drain, read_log: readLog }: WorkMessage): void {
    if (this.isReplaced) return;
    if (cancel !== undefined) this.say('job.cancel', cancel);
    if (drain !== undefined) this.say('pilot.drain', { draining: drain });
    if (readLog !== undefined) this.say('log.read', readLog);
  }

  /** It takes no hints from its queue meanwhile. */
  noteRest(): void {}

  replace(): void {
    this.isReplaced = true;
  }

  private say(type: ManagerType, body: Readonly<Record<string, unknown>>): void {
    this.told += 1;
    const id = uuidOf(`owl/workload/told/1/${this.sessionId}/${this.told}/${type}`);
    this.send(this.pilot, type, { ...body }, id);
  }
}
