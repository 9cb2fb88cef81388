/**
 * Reads a whole store once, in order, and holds every event against what comes before: positions, revisions, ids, transitions.
 * Gives what the other checks need: where each command stands, the rows that the events make, and how far each stream goes.
 */

import { LogOrder } from './log-order.js';
import { PlotTaskLife } from './plot-task-life.js';
import type { Row } from './sqlite-files.js';
import { type Found, isReadable, partsOf, type StoredEvent } from './stored-event.js';
import { SupervisorLife } from './supervisor-life.js';
import type { Shown, Told } from './told.js';
import type { Violations } from './violations.js';

/** The events of one command, as far as they stand together. */
export interface CommandPlace {
  readonly stream: string;
  readonly first: number;
  last: number;
  readonly asked: string | undefined;
  readonly types: string[];
  /** Stands in another place as well. */
  again: string | undefined;
}

export interface ReportedState {
  readonly attempt: number;
  readonly logOffset: number;
}

export interface History {
  readonly events: number;
  readonly commands: ReadonlyMap<string, CommandPlace>;
  /** Revision of the last event, by stream. */
  readonly ends: ReadonlyMap<string, number>;
  readonly tasks: ReadonlyMap<string, Row>;
  readonly supervisors: ReadonlyMap<string, Row>;
  /** Sessions by worker that an event says were attached, and detached. */
  readonly attached: ReadonlySet<string>;
  readonly detached: ReadonlySet<string>;
  /** Attempt and offset of a task at a revision that an answer named. */
  at(task: string, revision: number): ReportedState | undefined;
}

export async function checkHistory(
  found: AsyncIterable<Found> | Iterable<Found>,
  told: Told,
  violations: Violations,
): Promise<History> {
  const reading = new Reading(told, violations);
  for await (const event of found) reading.take(event);
  reading.end();
  return reading;
}

class Reading implements History {
  events = 0;
  readonly commands = new Map<string, CommandPlace>();
  readonly tasks = new Map<string, Row>();
  readonly supervisors = new Map<string, Row>();
  readonly attached = new Set<string>();
  readonly detached = new Set<string>();
  private readonly lives = new Map<string, PlotTaskLife | SupervisorLife>();
  private readonly states = new Map<string, ReportedState[]>();
  private readonly shown: Map<string, Shown[]>;
  private readonly told: Told;
  private readonly violations: Violations;
  private readonly order: LogOrder;
  private received = 0;

  constructor(told: Told, violations: Violations) {
    this.told = told;
    this.violations = violations;
    this.order = new LogOrder(violations);
    this.shown = byPlace(told.shown);
  }

  get ends(): ReadonlyMap<string, number> {
    return this.order.ends;
  }

  at(task: string, revision: number): ReportedState | undefined {
    return this.states.get(task)?.[revision];
  }

  take(event: Found): void {
    this.events += 1;
    const { stream, revision } = event;
    this.order.take(event);
    const poisonedSince = this.told.poisoned.get(stream);
    if (!isReadable(event)) {
      if (poisonedSince === undefined)
        this.violations.add('unreadable', `${stream} ${revision}`, event.problem);
      return;
    }
    // Talent's events are flat.
    for (const name of Object.keys(event.nested ?? {}))
      this.violations.add('unreadable', `${stream} ${revision}`, `its ${name} is neither text nor number`);
    this.order.noteId(event);
    this.noteCommand(event);
    if (poisonedSince === undefined || revision < poisonedSince) this.live(event);
  }

  /** What was shown of a revision that there is not. */
  end(): void {
    for (const [place, shown] of this.shown) {
      const [first] = shown;
      if (first === undefined || this.told.poisoned.has(`plot_task-${first.task}`)) continue;
      this.violations.add('readers-agree', place, `shown as ${first.status}, and nothing of it is stored`);
    }
    for (const [stream, life] of this.lives) {
      const { id } = partsOf(stream);
      (life instanceof PlotTaskLife ? this.tasks : this.supervisors).set(id, life.row());
    }
  }

  private noteCommand({ stream, revision, commandId, asked, type }: StoredEvent): void {
    if (commandId === undefined) return;
    const key = placeOf(stream, commandId);
    const known = this.commands.get(key);
    if (known === undefined)
      this.commands.set(key, {
        stream,
        first: revision,
        last: revision,
        asked,
        types: [type],
        again: undefined,
      });
    else if (known.last === revision - 1) {
      known.last = revision;
      known.types.push(type);
    } else known.again ??= `${type} at revision ${revision}`;
  }

  private live(event: StoredEvent): void {
    const { stream, revision, type } = event;
    const { category, id } = partsOf(stream);
    const life = this.lives.get(stream) ?? this.begin(stream, category, type);
    if (life === undefined) {
      this.violations.add('legal-transitions', stream, `nobody knows the category of ${type}`);
      return;
    }
    const problem = life.take(event);
    if (problem !== undefined) this.violations.add('legal-transitions', `${stream} ${revision}`, problem);
    if (life instanceof PlotTaskLife) this.compareShown(id, revision, life);
    else this.noteSession(id, event);
  }

  private begin(stream: string, category: string, type: string): PlotTaskLife | SupervisorLife | undefined {
    if (category !== 'plot_task' && category !== 'supervisor') return undefined;
    if (type === 'PlotTaskReceived') this.received += 1;
    const life = category === 'supervisor' ? new SupervisorLife() : new PlotTaskLife(this.received);
    this.lives.set(stream, life);
    return life;
  }

  private compareShown(task: string, revision: number, life: PlotTaskLife): void {
    const states = this.states.get(task) ?? [];
    states[revision] = {
      attempt: Number(life.valueOf('attempt')),
      logOffset: Number(life.valueOf('log_offset') ?? 0),
    };
    this.states.set(task, states);
    const place = `${task}@${revision}`;
    for (const shown of this.shown.get(place) ?? []) {
      const stored = {
        status: life.status,
        attempt: Number(life.valueOf('attempt')),
        progress: Math.fround(Number(life.valueOf('progress') ?? 0)),
      };
      for (const name of ['status', 'attempt', 'progress'] as const)
        if (shown[name] !== stored[name])
          this.violations.add(
            'readers-agree',
            place,
            `${name} was shown as ${shown[name]} and is ${stored[name]}`,
          );
    }
    this.shown.delete(place);
  }

  private noteSession(worker: string, { type, data }: StoredEvent): void {
    const session = sessionKey(worker, String(data['session_id']));
    if (type === 'SupervisorAttached') this.attached.add(session);
    if (type === 'SupervisorDetached') this.detached.add(session);
  }
}

function byPlace(all: Iterable<Shown>): Map<string, Shown[]> {
  const places = new Map<string, Shown[]>();
  for (const shown of all) {
    const place = `${shown.task}@${shown.revision}`;
    const there = places.get(place);
    if (there === undefined) places.set(place, [shown]);
    else there.push(shown);
  }
  return places;
}

/** Ids of commands are known for each stream. */
export function placeOf(stream: string, commandId: string): string {
  return `${stream} ${commandId}`;
}

export function sessionKey(worker: string, session: string): string {
  return `${worker} ${session}`;
}
