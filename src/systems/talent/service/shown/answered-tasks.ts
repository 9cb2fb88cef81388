/**
 * Encoded tasks that become one answer: all of them, or as many as fit into it.
 *
 * Guarantees: an answer that has a limit never takes more bytes than it may, and counts what does not fit. Tasks that have ended
 * go first, the oldest before the newer ones; only then those under way, the newest first: who polls for work takes the oldest,
 * and comes again.
 */

import { FINAL_STATES } from '../../../../../machines/talent/final-states.js';
import { numberField } from '../../../../node/serving/encoded.js';

const ENDED: ReadonlySet<unknown> = new Set(FINAL_STATES);

export interface AnsweredTasks {
  /** In the order in which they are answered. */
  add(status: unknown, field: readonly Buffer[]): void;
  readonly tasks: number;
  readonly leftOut: number;
  encoded(): Buffer;
}

/** Small pieces are put together before there are more than so many of them: all at the end would be a long piece of work. */
const MOST_PIECES = 4096;

export class AllTasks implements AnsweredTasks {
  tasks = 0;
  readonly leftOut = 0;
  private readonly parts: Buffer[] = [];
  private pieces: Buffer[];

  /** @param before what stands before them */
  constructor(before: readonly Buffer[]) {
    this.pieces = [...before];
  }

  add(_status: unknown, field: readonly Buffer[]): void {
    this.tasks += 1;
    this.pieces.push(...field);
    if (this.pieces.length >= MOST_PIECES) this.putTogether();
  }

  encoded(): Buffer {
    this.putTogether();
    return Buffer.concat(this.parts);
  }

  private putTogether(): void {
    this.parts.push(Buffer.concat(this.pieces));
    this.pieces = [];
  }
}

export class FittingTasks implements AnsweredTasks {
  leftOut = 0;
  private readonly mostBytes: number;
  private readonly leftOutField: number;
  /** In their order; undefined for those that had to go. */
  private readonly fields: (readonly Buffer[] | undefined)[] = [];
  /** Places of those that have ended, and how many of these are gone. */
  private readonly ended: number[] = [];
  private gone = 0;
  private bytes = 0;

  /** @param leftOutField number of the field that says how many are left out; its few bytes are not counted */
  constructor(mostBytes: number, leftOutField: number) {
    this.mostBytes = mostBytes;
    this.leftOutField = leftOutField;
  }

  get tasks(): number {
    return this.fields.length - this.gone;
  }

  add(status: unknown, field: readonly Buffer[]): void {
    const hasEnded = ENDED.has(status);
    const bytes = sizeOf(field);
    while (this.bytes + bytes > this.mostBytes && this.dropOldestEnded());
    if (this.bytes + bytes > this.mostBytes) {
      this.leftOut += 1;
      return;
    }
    if (hasEnded) this.ended.push(this.fields.length);
    this.fields.push(field);
    this.bytes += bytes;
  }

  encoded(): Buffer {
    const fields = this.fields.flatMap((field) => field ?? []);
    return Buffer.concat([...fields, ...numberField(this.leftOutField, this.leftOut)]);
  }

  private dropOldestEnded(): boolean {
    const place = this.ended[this.gone];
    const field = place === undefined ? undefined : this.fields[place];
    if (place === undefined || field === undefined) return false;
    this.fields[place] = undefined;
    this.gone += 1;
    this.leftOut += 1;
    this.bytes -= sizeOf(field);
    return true;
  }
}

function sizeOf(field: readonly Buffer[]): number {
  return field.reduce((sum, { length }) => sum + length, 0);
}
