/** Each operation says what its proto message says; requests are read by one set of rules, and refused with all their problems. */

import t from 'tap';
import { InvalidFieldError } from '../../../src/base/errors.js';
import { isId } from '../../../src/base/field-rules.js';
import {
  explicit,
  flag,
  id,
  int32,
  list,
  message,
  oneOf,
  request,
  text,
  whole,
} from '../../../src/node/operations/fields.js';
import { type Operation, operation } from '../../../src/node/operations/operation.js';
import { readRequest } from '../../../src/node/operations/read-request.js';
import * as ofSupervisors from '../../../src/systems/talent/service/operations/supervisor-operations.js';
import * as ofTasks from '../../../src/systems/talent/service/operations/task-operations.js';
import { loadProto } from '../../../src/wire/proto.js';
import * as ofSemaphores from '../../systems/semaphore/service/semaphore-operations.js';
import { loadSemaphoreProto } from '../../systems/semaphore/wire/semaphore-client.js';
import * as ofWorkers from '../../systems/workers/worker-operations.js';
import { differences } from './operation-contract.js';

const WORLDS = [
  { proto: loadProto('talent'), declared: { ...ofTasks, ...ofSupervisors }, count: 10 },
  { proto: loadSemaphoreProto(), declared: ofSemaphores, count: 4 },
  { proto: ofWorkers.loadWorkersProto(), declared: ofWorkers, count: 2 },
];

for (const { proto, declared, count } of WORLDS) {
  const operations = Object.values<unknown>(declared).filter(isOperation);
  t.equal(operations.length, count);
  for (const one of operations)
    t.test(`${one.service}/${one.name} is what the proto file says`, async (t) => {
      t.same(differences(one, proto), []);
    });
}

function isOperation(value: unknown): value is Operation {
  return typeof value === 'object' && value !== null && 'http' in value && 'request' in value;
}

t.test('whatever differs from the proto file is found', async (t) => {
  const right = {
    service: 'talent.PlotManager',
    name: 'plot_task_retry',
    kind: 'decision',
    roles: ['operator'],
    http: { method: 'POST', path: '/x' },
    summary: 'x',
    answer: ofTasks.retryTask.answer,
  } as const;
  const found = (shape: Parameters<typeof request>[0], more = {}) =>
    differences(operation({ ...right, request: request(shape), ...more }), loadProto('talent'));
  const same = { task_id: id(), reason: text().optional(), command_id: id().optional() };
  t.same(found(same), []);
  t.same(found({ task_id: id(), reason: text() }), ['PlotTaskRetryRequest.command_id is not in the schema']);
  t.same(found({ ...same, more: flag() }), ['PlotTaskRetryRequest has no more']);
  t.same(found({ ...same, reason: list(text()) }), ['PlotTaskRetryRequest.reason: a list, or not?']);
  t.same(found({ ...same, reason: explicit(text()) }), ['PlotTaskRetryRequest.reason: explicit or not?']);
  t.match(found({ ...same, reason: flag() }), [/^PlotTaskRetryRequest.reason is TYPE_STRING/]);
  t.match(found(same, { name: 'plot_task_watch' }), [/a stream of them\?$/, /answers PlotTaskChange/]);
  t.same(found(same, { name: 'nothing' }), ['talent.PlotManager has no method nothing']);
  t.same(found(same, { creates: 'plot_id' }), ['PlotTaskRetryRequest has no plot_id']);
  const attach = { ...ofSupervisors.attachSupervisor.request.shape, pid: whole(1, 2 ** 32) };
  t.match(found(attach, { name: 'supervisor_attach', answer: ofSupervisors.attachSupervisor.answer }), [
    /^SupervisorAttachRequest.pid is TYPE_INT32/,
  ]);
});

const EXAMPLE = request({
  name: id(),
  size: whole(1, 8).optional(),
  code: explicit(int32()),
  colour: oneOf(['red', 'blue']).optional(),
  names: list(text(isId), { most: 2, noun: 'names' }),
  inner: message('test.Inner', { on: flag(), of: list(message('test.Of', { at: int32() })) }).optional(),
});

t.test('a zero is not given, unless the field says otherwise', async (t) => {
  const zeros = { name: 'a', size: 0, code: 0, colour: '', names: [], inner: { on: true, of: [{ at: 3 }] } };
  t.same(readRequest(EXAMPLE, zeros), {
    name: 'a',
    code: 0,
    names: [],
    inner: { on: true, of: [{ at: 3 }] },
  });
});

t.test('every problem is told at once, each with its field', async (t) => {
  const wrong = {
    size: 9,
    code: 0.5,
    colour: 'green',
    names: ['a', 'b b'],
    inner: { on: 'yes', of: [{ at: 1 }, { at: 'x' }] },
    toString: 1,
    __proto__x: 2,
  };
  const rules = {
    name: /^is missing$/,
    size: /^must be a whole number from 1 to 8, not 9$/,
    code: /^must be a whole number from -2147483648 to 2147483647, not 0.5$/,
    colour: /^must be one of red, blue, not "green"$/,
    names: /^must be 1 to 64 letters/,
    'inner.on': /^must be true or false$/,
    'inner.of.1.at': /^must be a whole number/,
    toString: /^is no field of this request$/,
    __proto__x: /^is no field of this request$/,
  };
  try {
    readRequest(EXAMPLE, wrong);
    t.fail('it was read');
  } catch (error) {
    if (!(error instanceof InvalidFieldError)) throw error;
    t.match(Object.fromEntries(error.problems.map(({ field, rule }) => [field, rule])), rules);
    t.equal(error.problems.length, Object.keys(rules).length);
    t.match(error, { kind: 'invalid', field: 'name', message: /^name: is missing; size: / });
  }
  for (const given of ['x', 7, null, [], undefined])
    t.throws(() => readRequest(EXAMPLE, given), { message: /^(body|name): / }, String(given));
  t.throws(() => readRequest(EXAMPLE, { name: 'a', names: ['a', 'b', 'c'] }), {
    message: 'names: must be at most 2 names',
  });
});
