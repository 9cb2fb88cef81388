/** What semaphores can be asked for over gRPC and HTTP. */

import { InvalidFieldError } from '../../../../src/base/errors.js';
import type { TextRule } from '../../../../src/base/field-rules.js';
import {
  flag,
  id,
  int64,
  list,
  message,
  request,
  text,
  whole,
} from '../../../../src/node/operations/fields.js';
import { operation } from '../../../../src/node/operations/operation.js';
import { SEMAPHORES } from '../wire/semaphore-client.js';

const NAME = /^[a-z0-9-]{1,64}$/;
const isName: TextRule = (value) =>
  NAME.test(value) ? undefined : 'must be 1 to 64 small letters, digits or dashes';
const name = text(isName, { pattern: NAME.source });
const some = text().optional();

export const createSemaphore = operation({
  service: SEMAPHORES,
  name: 'create',
  kind: 'decision',
  roles: ['submitter', 'operator'],
  http: { method: 'POST', path: '/semaphores' },
  summary: 'Makes a semaphore. One that is there already stays as it is.',
  request: request({
    name,
    capacity: whole(1, 1_000_000, { description: 'Permits that it has.' }),
    command_id: id().optional(),
  }),
  answer: message('semaphore.Created', { name: some, revision: int64().optional() }),
  commandId: 'command_id',
  creates: 'name',
});

export const releasePermit = operation({
  service: SEMAPHORES,
  name: 'release',
  kind: 'decision',
  roles: ['worker', 'operator'],
  http: { method: 'DELETE', path: '/semaphores/{name}/permits/{holder}' },
  summary: 'Gives a permit back; who waits longest gets it.',
  request: request({ name, holder: name }),
  answer: message('semaphore.Empty', {}),
});

export const listPermits = operation({
  service: SEMAPHORES,
  name: 'permits',
  kind: 'query',
  roles: ['reader', 'worker', 'operator'],
  http: { method: 'GET', path: '/semaphores/{name}/permits' },
  summary: 'Who holds or waits, by name of the holder.',
  request: request({ name }),
  answer: message('semaphore.Permits', {
    permits: list(message('semaphore.Permit', { holder: some, state: some })),
  }),
});

export const followPermits = operation({
  service: SEMAPHORES,
  name: 'follow',
  kind: 'query',
  roles: ['reader', 'operator'],
  http: { method: 'GET', path: '/events' },
  summary: 'Every event, each once.',
  isStream: true,
  request: request({ name: name.optional(), after: text().optional() }),
  answer: message('semaphore.Followed', {
    events: list(
      message('semaphore.PermitEvent', { semaphore: some, type: some, holder: some, problem: some }),
    ),
    cursor: some,
    caught_up: flag().optional(),
  }),
  resumption: {
    idOf: ({ cursor }) => cursor,
    after: (asked, cursor) => {
      if (asked.after !== undefined) throw new InvalidFieldError('after', 'is said by Last-Event-ID already');
      return { ...asked, after: cursor };
    },
  },
});
