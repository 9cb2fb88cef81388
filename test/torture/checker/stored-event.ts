/** An event as the checker reads it, whichever store holds it. Shares nothing with the runtime, on purpose. */

export type Value = string | number | null;

export interface StoredEvent {
  readonly stream: string;
  readonly revision: number;
  /** Grows along the whole store. */
  readonly position: bigint;
  /** A UUID. */
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, Value>>;
  /** What of its data is neither text nor number: lists, records, truth values. */
  readonly nested?: Readonly<Record<string, unknown>>;
  /** When it was decided, in milliseconds since the Unix epoch. */
  readonly time: number;
  readonly commandId: string | undefined;
  readonly asked: string | undefined;
}

/** What stands in the place of an event and can't be read as one. */
export interface UnreadableEvent {
  readonly stream: string;
  readonly revision: number;
  readonly position: bigint;
  readonly problem: string;
}

export type Found = StoredEvent | UnreadableEvent;

export function isReadable(found: Found): found is StoredEvent {
  return !('problem' in found);
}

export interface Place {
  readonly stream: string;
  readonly revision: number;
  readonly position: bigint;
  readonly id: string;
  readonly type: string;
}

/** @param data JSON, as is `metadata` @param more metadata that stands elsewhere */
export function readEvent(
  place: Place,
  data: string,
  metadata: string,
  more: Readonly<Record<string, Value>> = {},
): Found {
  const { stream, revision, position } = place;
  const unreadable = (problem: string): UnreadableEvent => ({ stream, revision, position, problem });
  const [fields, about] = [objectOf(data), objectOf(metadata)];
  if (fields === undefined) return unreadable('its data is no JSON object');
  if (about === undefined) return unreadable('its metadata is no JSON object');
  const { time, commandId, asked }: Record<string, unknown> = { ...about, ...more };
  if (typeof time !== 'number') return unreadable('its metadata has no time');
  const values: Record<string, Value> = {};
  const nested: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string' || typeof value === 'number' || value === null) values[name] = value;
    else nested[name] = value;
  }
  return {
    ...place,
    data: values,
    ...(Object.keys(nested).length > 0 ? { nested } : {}),
    time,
    commandId: typeof commandId === 'string' ? commandId : undefined,
    asked: typeof asked === 'string' ? asked : undefined,
  };
}

function objectOf(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `<category>-<id>`. */
export function partsOf(stream: string): { readonly category: string; readonly id: string } {
  const dash = stream.indexOf('-');
  return { category: stream.slice(0, dash), id: stream.slice(dash + 1) };
}
