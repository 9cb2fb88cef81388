/**
 * What of an actor's stream lies behind its newest snapshot, and when that is worth another one.
 *
 * Guarantees: a snapshot is due once the events since the last one weigh as much as the last one does, and are 256 at least. So
 * a recovery reads no more of events than of state, apart from those 256; and since a state grows by what its events tell,
 * all that is ever written of snapshots is some times what is written of events, however large the state is and however many
 * orders the actor remembers: both are in the weight.
 */

import { isJsonObject, type Json, type RecordedEvent } from '../event-store/event-store.js';

/** A few actors of many live so long. */
const FEWEST_EVENTS = 256;
/** Of an event without data, in characters: ids, type, time. */
const EMPTY_EVENT = 160;

export class Tail {
  private events = 0;
  private weight = 0;
  /** Characters of the newest snapshot; undefined while there is none. */
  private newest: number | undefined;
  private keeping = false;

  /** @param newest characters of the snapshot that it lies behind; undefined for none */
  constructor(newest?: number) {
    this.newest = newest;
  }

  add(event: RecordedEvent): void {
    this.events += 1;
    this.weight += EMPTY_EVENT + weightOf(event.data);
    if (event.metadata.answer !== undefined) this.weight += weightOf(event.metadata.answer);
  }

  get isWorthASnapshot(): boolean {
    return !this.keeping && this.events >= FEWEST_EVENTS && this.weight >= (this.newest ?? 0);
  }

  /** There is a snapshot of all, or it is being kept. */
  get isEmpty(): boolean {
    return this.events === 0 && (this.keeping || this.newest !== undefined);
  }

  /** A snapshot was taken. */
  begin(): void {
    this.events = 0;
    this.weight = 0;
    this.keeping = true;
  }

  /** @param newest its characters; undefined where it was not kept: the next one is tried behind as many events again */
  end(newest: number | undefined): void {
    this.keeping = false;
    this.newest = newest ?? this.newest;
  }
}

/** About the characters of its JSON. It comes for each event. */
function weightOf(value: Json): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  let weight = 2;
  if (!isJsonObject(value)) for (const item of value) weight += weightOf(item);
  else for (const name in value) weight += name.length + weightOf(value[name] ?? null);
  return weight;
}
