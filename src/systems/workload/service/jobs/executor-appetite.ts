/**
 * When the executor has something to do: kept from its last look at a device, so that it looks again when a queue may be short, or
 * when there is something to queue and room for it, and not with each job that moves on.
 *
 * Guarantee: after a look, whatever is applied to the rows counts from that very look on. What it can't judge is news.
 */

import type { RecordedEvent } from '../../../../runtime/event-store/event-store.js';

/** What says nothing of what waits, nor of who could take it. */
const NO_NEWS: ReadonlySet<string> = new Set([
  ...[
    'JobQueued',
    'JobRequeued',
    'JobHintDied',
    'JobStarted',
    'JobPilotLost',
    'JobPilotReturned',
    'JobCancelRequested',
  ],
  ...['PilotReported', 'PilotLeaseKept'],
]);
/**
 * By so much a queue may be nearer to being short: a claim takes one from it, and each free slot that an end makes has it hold two more.
 */
const TAKES: Readonly<Record<string, number>> = {
  JobClaimed: 1,
  JobFinished: 2,
  JobFailed: 2,
  JobCancelled: 2,
};

interface Look {
  /** All that could be queued was, and there was room for more. */
  readonly isHungry: boolean;
  /** By so much the queue that is nearest to being short was above that. */
  spare: number;
}

export class ExecutorAppetite {
  private readonly looks = new Map<string, Look>();

  /** What was found of a device, in the turn of the event loop in which it was read. */
  looked(device: string, look: Readonly<Look>): void {
    this.looks.set(device, { ...look });
  }

  /** A queue holds what it is to hold. */
  get isAnyFull(): boolean {
    return [...this.looks.values()].some(({ spare }) => Number.isFinite(spare));
  }

  isNews(events: readonly RecordedEvent[]): boolean {
    let isNews = false;
    // All of them are counted.
    for (const event of events) isNews = this.take(event) || isNews;
    return isNews;
  }

  private take({ type, stream, data }: RecordedEvent): boolean {
    if (NO_NEWS.has(type) || !/^wl_(job|pilot|task|switch)-/.test(stream)) return false;
    const looks = [...this.looks.values()];
    const takes = TAKES[type];
    if (takes !== undefined) {
      for (const look of looks) look.spare -= takes;
      return looks.some(({ spare }) => spare < 0);
    }
    if (type !== 'JobCreated') return true;
    const look = this.looks.get(String(data['device_type']));
    return look === undefined || look.isHungry;
  }
}
