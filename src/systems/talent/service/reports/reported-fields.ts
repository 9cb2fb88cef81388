/**
 * How the fields of a status message and the columns of a plot task belong together, in both directions and in one table.
 *
 * Guarantees: a zero or an empty text is not given; every given value has passed its rule or the whole message is refused
 * with the field's path; a float of the wire becomes the shortest decimal that means the same float, so 3.2 stays 3.2.
 */

import type { Reported } from '../../../../../machines/talent/plot-task-events.js';
import { InvalidFieldError } from '../../../../base/errors.js';
import * as rules from '../../../../base/field-rules.js';
import type { SqlRow } from '../../../../base/sql.js';
import type { PlotTaskStatus } from '../../wire/messages.js';
import * as plotRules from '../plot-rules.js';

type NumberColumn = {
  [C in keyof Reported]-?: Reported[C] extends number | undefined ? C : never;
}[keyof Reported];
type TextColumn = Exclude<keyof Reported, NumberColumn>;

interface NumberField {
  readonly kind: 'number';
  readonly column: NumberColumn;
  readonly rule: rules.NumberRule;
  /** 32-bit on the wire. */
  readonly float: boolean;
  /** The field has presence on the wire, so that a zero is a value. */
  readonly zero: boolean;
}
interface TextField {
  readonly kind: 'text';
  readonly column: TextColumn;
  readonly rule: rules.TextRule;
}
interface Group {
  readonly kind: 'group';
  readonly fields: Fields;
}
/** Checked elsewhere, or said by talent itself: not a report. */
interface Ignored {
  readonly kind: 'ignored';
}
type Field = NumberField | TextField | Group | Ignored;
type Fields = Readonly<Record<string, Field>>;

const whole = (column: NumberColumn, rule: rules.NumberRule): Field => ({
  kind: 'number',
  column,
  rule,
  float: false,
  zero: false,
});
const float = (column: NumberColumn, rule: rules.NumberRule): Field => ({
  kind: 'number',
  column,
  rule,
  float: true,
  zero: false,
});
const text = (column: TextColumn, rule: rules.TextRule): Field => ({ kind: 'text', column, rule });
const group = (fields: Fields): Field => ({ kind: 'group', fields });
const ignored: Field = { kind: 'ignored' };
const isStage = rules.isLine(64);
const isTableNumber = rules.isWhole(0, 7);

type P1Table = `p1_t${1 | 2 | 3 | 4 | 5 | 6 | 7}`;
type P2Table = `p2_t${1 | 2 | 3 | 4 | 5 | 6 | 7}`;
type P3Table = `p3_t${'1_2' | '2_3' | '3_4' | '4_5' | '5_6' | '6_7'}`;
type Phase = 'p1' | 'p2' | 'p3' | 'p4';

function timed(name: P1Table | `${P2Table}_${'scan' | 'sort'}` | P3Table | 'total' | 'copy'): Field {
  return group({
    stage: text(`${name}_stage`, isStage),
    time: float(`${name}_time`, rules.isDuration),
    cpu_usage: float(`${name}_cpu`, rules.isCpu),
  });
}

function scannedAndSorted(name: P2Table): Field {
  return group({
    stage: text(`${name}_stage`, isStage),
    scan: timed(`${name}_scan`),
    sort: timed(`${name}_sort`),
  });
}

function phase(name: Phase, fields: Fields): Field {
  return group({
    stage: text(`${name}_stage`, isStage),
    time: float(`${name}_total_time`, rules.isDuration),
    cpu_usage: float(`${name}_total_cpu`, rules.isCpu),
    ...fields,
  });
}

/** PlotTaskStatus, field by field, by its names on the wire. */
const STATUS_FIELDS: Fields = {
  worker_id: ignored,
  task_id: ignored,
  existed: ignored,
  plot_pid: whole('plot_pid', rules.isPid),
  log_pid: whole('log_pid', rules.isPid),
  status: ignored,
  received_time: ignored,
  pending_time: ignored,
  started_time: ignored,
  running_time: ignored,
  finished_time: ignored,
  remarks: text('remarks', rules.isRemarks),
  plot_details: group({
    fpk: ignored,
    ppk: ignored,
    id: text('plot_id', rules.isLine(128)),
    ksize: whole('ksize', plotRules.isKsize),
    cache1: ignored,
    cache2: ignored,
    buffer: whole('buffer', plotRules.isBuffer),
    buckets: whole('buckets', rules.isWhole(1, 65_536)),
    threads: whole('threads', plotRules.isThreads),
    stripe_size: whole('stripe_size', rules.isWhole(1, 2 ** 31 - 1)),
    phase_1_status: phase('p1', {
      // Entries.
      table_1_now_size: whole('p1_table_1_now_size', rules.isCount),
      t1: timed('p1_t1'),
      t2: timed('p1_t2'),
      t3: timed('p1_t3'),
      t4: timed('p1_t4'),
      t5: timed('p1_t5'),
      t6: timed('p1_t6'),
      t7: timed('p1_t7'),
      now: whole('p1_now', isTableNumber),
    }),
    phase_2_status: phase('p2', {
      t7: scannedAndSorted('p2_t7'),
      t6: scannedAndSorted('p2_t6'),
      t5: scannedAndSorted('p2_t5'),
      t4: scannedAndSorted('p2_t4'),
      t3: scannedAndSorted('p2_t3'),
      t2: scannedAndSorted('p2_t2'),
      t1: scannedAndSorted('p2_t1'),
      now: whole('p2_now', isTableNumber),
    }),
    phase_3_status: phase('p3', {
      t1_2: timed('p3_t1_2'),
      t2_3: timed('p3_t2_3'),
      t3_4: timed('p3_t3_4'),
      t4_5: timed('p3_t4_5'),
      t5_6: timed('p3_t5_6'),
      t6_7: timed('p3_t6_7'),
      now: text('p3_now', isStage),
    }),
    phase_4_status: phase('p4', {}),
    total_time: timed('total'),
    copy_time: timed('copy'),
    dest_file_name: text('dest_file_name', rules.isFileName),
    dest_path: ignored,
    dest_type: ignored,
    wrote: whole('wrote', rules.isByteCount),
    stage_now: whole('stage_now', rules.isWhole(0, 100)),
    progress: float('progress', rules.isProgress),
    memo: text('memo', plotRules.isMemo),
    is_started: ignored,
    is_finished: ignored,
    dest_dir: text('dest_dir', rules.isAbsolutePath),
  }),
  id: ignored,
  create_time: ignored,
  update_time: ignored,
  attempt: ignored,
  revision: ignored,
  exit_code: { kind: 'number', column: 'exit_code', rule: rules.isWhole(0, 255), float: false, zero: true },
  exit_signal: text('exit_signal', rules.isLine(16)),
  log_offset: whole('log_offset', rules.isByteCount),
  command_id: ignored,
  for_attempt: ignored,
  tasks: ignored,
  seconds_left: ignored,
  report_key: ignored,
};

type Texts = { [C in TextColumn]?: string };
export type Changes = { [C in NumberColumn]?: number } & Texts;

/** In events, and so in what people read, texts stand behind numbers, and how far the log was read is last. */
interface Found {
  readonly first: Changes;
  readonly last: Texts & { log_offset?: number };
}

/**
 * What a status message reports that is not known yet, by column. Old log collectors send everything they know in every
 * message, so what is known is compared first and checked no more: it has passed its rule before.
 * @param changes gets it
 * @throws InvalidFieldError naming the field, e.g. `plot_details.phase_1_status.t1.time`
 */
export function readReported(message: PlotTaskStatus, known: Reported, changes: Changes = {}): Changes {
  const last: Found['last'] = {};
  readFields(message, STATUS_FIELDS, '', known, { first: changes, last });
  return Object.assign(changes, last);
}

function readFields(message: unknown, fields: Fields, path: string, known: Reported, found: Found): void {
  if (!isMessage(message)) return;
  // Without a list of what is in it: each report comes by.
  for (const name in message) {
    const value = message[name];
    const field = fields[name];
    // Only what this version knows is decoded, apart from the markers that the decoder adds for fields with presence.
    if (field === undefined || field.kind === 'ignored') continue;
    if (field.kind === 'group') {
      readFields(value, field.fields, `${path}${name}.`, known, found);
    } else if (field.kind === 'text') {
      if (typeof value !== 'string' || value === '' || value === known[field.column]) continue;
      found.last[field.column] = rules.check(path + name, value, field.rule);
    } else if (typeof value === 'number' && (value !== 0 || field.zero)) {
      const before = known[field.column];
      if (before !== undefined && value === (field.float ? Math.fround(before) : before)) continue;
      const exact = field.float ? shortestDecimal(path + name, value) : value;
      const checked = rules.check(path + name, exact, field.rule);
      if (field.column === 'log_offset') found.last.log_offset = checked;
      else found.first[field.column] = checked;
    }
  }
}

function isMessage(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** 3.200000047683716 is what the 32-bit float of 3.2 reads as: give back 3.2. */
function shortestDecimal(field: string, value: number): number {
  if (!Number.isFinite(value)) throw new InvalidFieldError(field, `must be a finite number, not ${value}`);
  if (Number.isInteger(value)) return value;
  for (const digits of [6, 7, 8]) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

interface Leaf {
  readonly path: readonly string[];
  readonly column: keyof Reported;
}

const LEAVES: readonly Leaf[] = leavesOf(STATUS_FIELDS, []);

function leavesOf(fields: Fields, path: readonly string[]): Leaf[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    if (field.kind === 'ignored') return [];
    if (field.kind === 'group') return leavesOf(field.fields, [...path, name]);
    return [{ path: [...path, name], column: field.column }];
  });
}

type Message = { [name: string]: Message | string | number | boolean };

/** The reported part of a status message, from a row: only what is there, nested as on the wire. */
export function writeReported(row: SqlRow): Message {
  const message: Message = {};
  const stages: unknown = typeof row['stages'] === 'string' ? JSON.parse(row['stages']) : undefined;
  const staged = new Map(typeof stages === 'object' && stages !== null ? Object.entries(stages) : []);
  for (const { path, column } of LEAVES) {
    const value: unknown = row[column] ?? staged.get(column);
    if (typeof value === 'string' || typeof value === 'number') put(message, path, value);
  }
  return message;
}

function put(message: Message, path: readonly string[], value: string | number): void {
  let at = message;
  for (const name of path.slice(0, -1)) {
    const inner = at[name];
    const next: Message = typeof inner === 'object' ? inner : {};
    at[name] = next;
    at = next;
  }
  const last = path.at(-1);
  if (last !== undefined) at[last] = value;
}
