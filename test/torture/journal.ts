/**
 * What the peers of a run were told, kept for the checker and written down line by line for who looks for the reason of a loss.
 * Guarantee: a command is noted before it is sent for the first time.
 */

import { createWriteStream, type WriteStream } from 'node:fs';
import type {
  OrderName,
  Shown,
  Told,
  ToldOrder,
  ToldReport,
  ToldReportAnswer,
  ToldSession,
} from './checker/told.js';

interface Order extends ToldOrder {
  readonly accepted: number[];
  readonly refused: string[];
}

interface Report extends ToldReport {
  readonly accepted: ToldReportAnswer[];
  /** Answered with a final refusal. */
  refused: boolean;
}

export interface Counts {
  commands: number;
  acknowledged: number;
  refused: number;
  unknown: number;
  sent: number;
}

export class Journal implements Told {
  readonly shown: Shown[] = [];
  readonly sessions: ToldSession[] = [];
  readonly poisoned = new Map<string, number>();
  /** Calls and reports that were sent, repetitions included. */
  sent = 0;
  private readonly byId = new Map<string, Order | Report>();
  private readonly file: WriteStream;

  constructor(path: string) {
    this.file = createWriteStream(path);
  }

  get commands(): Iterable<ToldOrder | ToldReport> {
    return this.byId.values();
  }

  get size(): number {
    return this.byId.size;
  }

  /** @param copies how often it is sent at once */
  order(commandId: string, name: OrderName, task: string, copies = 1): void {
    this.byId.set(commandId, { kind: 'order', commandId, name, task, copies, accepted: [], refused: [] });
    this.write({ order: name, commandId, task, copies });
  }

  report(commandId: string, task: string, attempt: number, logOffset: number): void {
    const report = { commandId, task, attempt, logOffset };
    this.byId.set(commandId, { kind: 'report', ...report, accepted: [], refused: false });
    this.write({ report: commandId, task, attempt, logOffset });
  }

  orderAccepted(commandId: string, revision: number): void {
    const known = this.byId.get(commandId);
    if (known?.kind === 'order') known.accepted.push(revision);
    this.write({ accepted: commandId, revision });
  }

  orderRefused(commandId: string, reason: string): void {
    const known = this.byId.get(commandId);
    if (known?.kind === 'order') known.refused.push(reason);
    this.write({ refused: commandId, reason });
  }

  reportAccepted(commandId: string, revision: number, recorded: boolean): void {
    const known = this.byId.get(commandId);
    if (known?.kind === 'report') known.accepted.push({ revision, recorded });
    this.write({ accepted: commandId, revision, recorded });
  }

  reportRefused(commandId: string, reason: string): void {
    const known = this.byId.get(commandId);
    if (known?.kind === 'report') known.refused = true;
    this.write({ refused: commandId, reason });
  }

  session(told: ToldSession): void {
    this.sessions.push(told);
    this.write(told);
  }

  show(shown: Shown): void {
    this.shown.push(shown);
    this.write({ shown });
  }

  note(what: object): void {
    this.write(what);
  }

  counts(): Counts {
    const counts = { commands: this.byId.size, acknowledged: 0, refused: 0, unknown: 0, sent: this.sent };
    for (const command of this.byId.values()) {
      const refused = command.kind === 'order' ? command.refused.length > 0 : command.refused;
      if (command.accepted.length > 0) counts.acknowledged += 1;
      else if (refused) counts.refused += 1;
      else counts.unknown += 1;
    }
    return counts;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.file.end(resolve));
  }

  private write(line: object): void {
    this.file.write(`${JSON.stringify({ at: Date.now(), ...line })}\n`);
  }
}
