/**
 * Rows as they were before they had shapes and checksums: type and version in their own columns, data and metadata as JSON.
 * Guarantees that such a row gives the event that was appended, as far as it still is JSON, and else its bytes, with `damage`.
 */

import type { SqlRow } from '../../../base/sql.js';
import { isMetadata, metadataProblem } from '../append-check.js';
import { isJsonObject, type RecordedEvent } from '../event-store.js';
import { formatPosition } from './positions.js';
import { base64Of, NO_ID, parsed, placeOf, textOr, unknownMetadata } from './row-values.js';

export function decodeOlder(row: SqlRow): RecordedEvent {
  const [data, metadata] = [parsed(row['data']), parsed(row['metadata'])];
  const { id, position, revision } = placeOf(row);
  const older = parsed(row['older']);
  const [type, version]: unknown[] = Array.isArray(older) ? older : [];
  const event = {
    position: formatPosition(position),
    stream: textOr('unreadable', row['stream']),
    revision,
    id: id ?? NO_ID,
    type: typeof type === 'string' && type !== '' ? type : 'unreadable',
    version: typeof version === 'number' ? version : 1,
  };
  if (id !== undefined && isJsonObject(data) && isMetadata(metadata)) return { ...event, data, metadata };
  return {
    ...event,
    ...(isMetadata(metadata)
      ? { data: { base64: base64Of(row['data']) }, metadata }
      : {
          data: { base64: base64Of(row['data']), metadata_base64: base64Of(row['metadata']) },
          metadata: unknownMetadata(event.id),
        }),
    damage: problemOf(id, data, metadata),
  };
}

function problemOf(id: string | undefined, data: unknown, metadata: unknown): string {
  if (id === undefined) return 'its id is none';
  if (!isJsonObject(data)) return 'its data is no JSON object';
  return String(metadataProblem(metadata));
}
