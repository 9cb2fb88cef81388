/** What workers can be asked for over gRPC and HTTP. */

import { join } from 'node:path';
import { isRemarks } from '../../../src/base/field-rules.js';
import { PACKAGE_ROOT } from '../../../src/base/package-root.js';
import { explicit, id, int32, int64, message, request, text } from '../../../src/node/operations/fields.js';
import { operation } from '../../../src/node/operations/operation.js';
import { loadProtoFile } from '../../../src/wire/proto.js';

const SERVICE = 'workers.Workers';

export function loadWorkersProto() {
  return loadProtoFile(join(PACKAGE_ROOT, 'test/systems/workers/workers.proto'));
}

export const drainWorker = operation({
  service: SERVICE,
  name: 'drain',
  kind: 'decision',
  roles: ['operator'],
  http: { method: 'POST', path: '/workers/{peer_id}/drain', bodyBytes: 2 * 1024 * 1024 },
  summary: 'Gives a worker no work any more. Again is no error.',
  request: request({
    peer_id: id(),
    reason: text(isRemarks, { maxLength: 16_384 }).optional(),
    command_id: id().optional(),
  }),
  answer: message('workers.Drained', { revision: int64().optional() }),
  commandId: 'command_id',
});

export const workerSlots = operation({
  service: SERVICE,
  name: 'slots',
  kind: 'query',
  roles: ['reader', 'operator'],
  http: { method: 'GET', path: '/workers/{peer_id}/slots' },
  summary: 'How many slots a worker has; missing for one that never said so.',
  request: request({ peer_id: id() }),
  answer: message('workers.Slots', { slots: explicit(int32()) }),
});
