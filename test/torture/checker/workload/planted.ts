/** Logs of workload that are written by hand, for tests of the checker. */

import type { StoredEvent, Value } from '../stored-event.js';

export type Planted = Pick<StoredEvent, 'stream' | 'type' | 'data'> & Partial<StoredEvent>;

export function event(
  stream: string,
  type: string,
  data: Readonly<Record<string, Value>> = {},
  nested: Readonly<Record<string, unknown>> = {},
): Planted {
  return { stream, type, data, nested };
}

/** Places and revisions as they follow from the order. */
export function logOf(planted: readonly Planted[]): StoredEvent[] {
  const ends = new Map<string, number>();
  return planted.map((given, at) => {
    const revision = (ends.get(given.stream) ?? -1) + 1;
    ends.set(given.stream, revision);
    const about = { time: 1, commandId: undefined, asked: undefined };
    return { ...about, position: BigInt(at), revision, id: `event ${at}`, ...given };
  });
}
