/** Who has room for a hint, of those that are connected here: what every adapter of the queue goes by that hands hints out itself. */

import type { Offer, WaitingJob } from './job-queries.js';
import type { HintConsumer } from './job-queue.js';

export interface Room {
  readonly offer: Offer;
  readonly consumer: HintConsumer;
  slots: number;
  memoryMib: number;
}

/** What is out with a pilot and not answered. */
export interface Given {
  readonly pilot: string;
  readonly memoryMib: number;
}

export function roomsOf(
  offers: readonly Offer[],
  consumers: ReadonlyMap<string, HintConsumer>,
  given: readonly Given[],
): Room[] {
  const rooms = new Map<string, Room>();
  for (const offer of offers) {
    const consumer = consumers.get(offer.pilot);
    if (consumer === undefined) continue;
    const slots = offer.slots - offer.slotsUsed;
    const memoryMib = (offer.memoryMib ?? Number.POSITIVE_INFINITY) - offer.memoryUsedMib;
    rooms.set(offer.pilot, { offer, consumer, slots, memoryMib });
  }
  for (const { pilot, memoryMib } of given) {
    const room = rooms.get(pilot);
    if (room === undefined) continue;
    room.slots -= 1;
    room.memoryMib -= memoryMib;
  }
  return [...rooms.values()];
}

/** The one with the most room that the job fits in, which has so much less from then on. What was lost goes elsewhere first. */
export function takeRoom(
  job: Pick<WaitingJob, 'executable' | 'memoryMib' | 'losses' | 'pilot'>,
  rooms: readonly Room[],
): Room | undefined {
  const fitting = rooms.filter(
    ({ offer, slots, memoryMib }) =>
      slots > 0 && memoryMib >= job.memoryMib && offer.executables.has(job.executable),
  );
  const elsewhere = job.losses > 0 ? fitting.filter(({ offer }) => offer.pilot !== job.pilot) : fitting;
  const room = mostFree(elsewhere.length > 0 ? elsewhere : fitting);
  if (room === undefined) return undefined;
  room.slots -= 1;
  room.memoryMib -= job.memoryMib;
  return room;
}

/** So that work is spread. */
function mostFree(rooms: readonly Room[]): Room | undefined {
  let best: Room | undefined;
  for (const room of rooms) if (best === undefined || room.slots > best.slots) best = room;
  return best;
}
