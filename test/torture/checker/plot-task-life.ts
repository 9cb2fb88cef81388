/**
 * The life of a plot task as the documents have it, told once more: which event may follow in which state, and the row that
 * comes of a history. Shares nothing with the machine and the projection that it checks.
 *
 *   (nothing) → received → pending → started → running → finished
 *   a stop of what has no process yet → stopped; of what has one → stopping → stopped, or finished if that came first
 *   every living state → failed or stopped; a final state → received again, as the next attempt
 */

import type { Row } from './sqlite-files.js';
import type { StoredEvent, Value } from './stored-event.js';

type State =
  | 'nothing'
  | 'received'
  | 'pending'
  | 'started'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'failed'
  | 'finished';

const LIVING: readonly State[] = ['received', 'pending', 'started', 'running', 'stopping'];
const FINAL: readonly State[] = ['stopped', 'failed', 'finished'];

/** By event: from which states it is possible, and where it leads; no `to`: it stays. */
const MOVES: Readonly<Record<string, { from: readonly State[]; to?: State }>> = {
  PlotTaskReceived: { from: ['nothing'], to: 'received' },
  PlotTaskPending: { from: ['received'], to: 'pending' },
  PlotTaskStarted: { from: ['pending'], to: 'started' },
  PlotTaskRunning: { from: ['started'], to: 'running' },
  PlotTaskFinished: { from: ['running', 'stopping'], to: 'finished' },
  PlotTaskStopRequested: { from: ['received', 'pending', 'started', 'running'] },
  PlotTaskStopped: { from: LIVING, to: 'stopped' },
  PlotTaskFailed: { from: LIVING, to: 'failed' },
  PlotTaskReported: { from: LIVING },
  PlotTaskSupervisorLost: { from: LIVING },
  PlotTaskSupervisorReturned: { from: LIVING },
  PlotTaskRetried: { from: FINAL, to: 'received' },
  OrderAccepted: { from: [...LIVING, ...FINAL] },
};

/** What a retry leaves as it was asked for. */
const KEPT = [
  'id',
  'create_time',
  'worker_id',
  'task_id',
  'fpk',
  'ppk',
  'ksize',
  'cache1',
  'cache2',
  'threads',
  'buffer',
];
const ALSO_KEPT = ['dest_type', 'dest_path'];
/** In events, and in no row. */
const NO_COLUMNS = new Set(['lost_time', 'fail_at']);

export class PlotTaskLife {
  private state: State = 'nothing';
  private lost = false;
  private values: Record<string, Value> = {};
  private stages: Record<string, Value> = {};
  private staged = false;
  private readonly place: number;

  /** @param place of the task among all that were received, from 1 */
  constructor(place: number) {
    this.place = place;
  }

  get status(): string {
    return this.state;
  }

  valueOf(column: string): Value {
    return this.values[column] ?? null;
  }

  /** Takes an event; what is illegal about it, if anything. It is taken all the same, as far as that goes. */
  take(event: StoredEvent): string | undefined {
    const { type, data, time, revision } = event;
    const problem = this.problemOf(event);
    if (type === 'PlotTaskReceived')
      this.values = { id: this.place, create_time: time / 1000, attempt: 1, progress: 0 };
    if (type === 'PlotTaskRetried') this.begin();
    this.set(data);
    if (type === 'PlotTaskSupervisorLost') this.lost = true;
    if (type === 'PlotTaskSupervisorReturned' || type === 'PlotTaskRetried') this.lost = false;
    this.state = this.after(type);
    Object.assign(this.values, { status: this.state, update_time: time / 1000, revision });
    return problem;
  }

  row(): Row {
    const row = { ...this.values, stages: this.staged ? JSON.stringify(this.stages) : null };
    for (let table = 1; table <= 7; table++) Object.assign(row, scannedAndSorted(row, `p2_t${table}`));
    return row;
  }

  private problemOf({ type, data }: StoredEvent): string | undefined {
    const move = MOVES[type];
    if (move === undefined) return `${type} is no event of a plot task`;
    if (!move.from.includes(this.state)) return `${type} of a task that is ${this.state}`;
    if (type === 'PlotTaskSupervisorReturned' && !this.lost) return `${type} of a task that was not lost`;
    const { attempt } = this.values;
    if (type === 'PlotTaskRetried' && data['attempt'] !== Number(attempt) + 1)
      return `attempt ${data['attempt']} follows attempt ${attempt}`;
    return undefined;
  }

  private after(type: string): State {
    if (type === 'PlotTaskStopRequested')
      return this.state === 'received' || this.state === 'pending' ? 'stopped' : 'stopping';
    return MOVES[type]?.to ?? this.state;
  }

  private begin(): void {
    const kept = [...KEPT, ...ALSO_KEPT].map((name) => [name, this.values[name] ?? null]);
    this.values = { ...Object.fromEntries(kept), progress: 0 };
    this.stages = {};
    this.staged = false;
  }

  private set(data: StoredEvent['data']): void {
    for (const [name, value] of Object.entries(data)) {
      const given = value === '' ? null : value;
      if (name.endsWith('_stage')) {
        this.staged = true;
        if (given === null) delete this.stages[name];
        else this.stages[name] = String(given);
      } else if (!NO_COLUMNS.has(name)) this.values[name] = given;
    }
  }
}

/** The time of a table of phase 2 is that of its two parts, its CPU the mean over the time of those whose CPU is known. */
function scannedAndSorted(row: Readonly<Record<string, Value>>, table: string): Record<string, Value> {
  const parts = ['scan', 'sort'].map((part) => ({
    time: row[`${table}_${part}_time`] ?? null,
    cpu: row[`${table}_${part}_cpu`] ?? null,
  }));
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const timed = parts.filter(({ time }) => time !== null);
  const known = parts.filter(({ cpu }) => cpu !== null);
  const whole = sum(known.map(({ time }) => Number(time ?? 0)));
  const work = sum(known.map(({ time, cpu }) => Number(time ?? 0) * Number(cpu)));
  return {
    [`${table}_time`]: timed.length === 0 ? null : sum(timed.map(({ time }) => Number(time))),
    [`${table}_cpu`]: whole === 0 ? null : work / whole,
  };
}
