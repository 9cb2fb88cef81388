/** When a running plot came as far as it has come: the time of the event that said so, out of its history. */

import type { EventStore, RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import { SUSPENDED } from '../../wire/plot-states.js';

/** A plot has some 150 events. */
const MOST_EVENTS = 1_000;

/** Unix seconds of a step: news of the progress, or the beginning. Undefined for any other news. */
export function stepTimeIn({
  type,
  data,
  metadata,
}: Pick<RecordedEvent, 'type' | 'data' | 'metadata'>): number | undefined {
  if (typeof data['progress'] === 'number') return metadata.time / 1000;
  const { running_time: begun } = data;
  return type === 'PlotTaskRunning' && typeof begun === 'number' ? begun : undefined;
}

/**
 * Of a plot that was halted since, when it went on. Undefined where its newest events do not say.
 * @param stream of its task
 */
export async function lastStepOf(
  store: Pick<EventStore, 'readStream'>,
  stream: string,
): Promise<number | undefined> {
  let wentOn: number | undefined;
  for await (const event of store.readStream(stream, { direction: 'backwards', limit: MOST_EVENTS })) {
    const { remarks } = event.data;
    if (remarks === SUSPENDED) return wentOn;
    const step = stepTimeIn(event);
    if (step !== undefined) return step;
    if (remarks !== undefined) wentOn = event.metadata.time / 1000;
  }
  return undefined;
}
