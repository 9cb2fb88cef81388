/** What comes in wrong is refused, and the refusal names the field and the rule: every method with a field to get wrong. */

import { status as GrpcStatus } from '@grpc/grpc-js';
import t from 'tap';
import { collect } from '../../../support/events.js';
import { orderFor, startTalentNode } from '../../../support/talent-node.js';

type Refused = readonly [request: object, problem: RegExp];

const CONTRACT = 'xch1u8ll2ztwhseej45d6u2zp9j4mlnzhwseccr0axqws9fl2tyj5u0svdy04y';
const LONG_ID = 'f'.repeat(65);
const ID_RULE = 'must be 1 to 64 letters';

const order = (config: object, more: object = {}) => ({
  ...orderFor('a', { plot_config: { ...config } }),
  ...more,
});

/** Answered in-band, as peers in the field expect it. */
const IN_BAND: Readonly<Record<string, readonly Refused[]>> = {
  plot_task_create: [
    [{}, /^task_id: is missing$/],
    [{ task_id: 'a' }, /^plot_config\.cache1: is missing$/],
    [order({}, { task_id: '' }), /^task_id: is missing$/],
    [order({}, { task_id: LONG_ID }), /^task_id: must be 1 to 64 letters/],
    [order({}, { task_id: 'a b' }), /^task_id: must be/],
    [order({}, { worker_id: '../w' }), /^worker_id: must be 1 to 64 letters/],
    [order({}, { command_id: 'x\n' }), /^command_id: must be 1 to 64 letters/],
    [order({ cache1: '' }), /^plot_config\.cache1: is missing$/],
    [order({ cache1: 'tmp' }), /^plot_config\.cache1: must be an absolute path/],
    [order({ cache1: '/a\0b' }), /^plot_config\.cache1: must hold no NUL/],
    [order({ cache1: '/a\nb' }), /^plot_config\.cache1: must hold no NUL, line break/],
    [order({ cache1: `/${'x'.repeat(4096)}` }), /^plot_config\.cache1: must be at most 4096 bytes/],
    [order({ cache2: 'C:\\tmp' }), /^plot_config\.cache2: must be an absolute path/],
    [order({ dest: { path: '' } }), /^plot_config\.dest\.path: is missing$/],
    [order({ dest: undefined }), /^plot_config\.dest\.path: is missing$/],
    [order({ dest: { path: './d' } }), /^plot_config\.dest\.path: must be an absolute path/],
    [
      order({ dest: { path: '/d', type: 'smb' } }),
      /^plot_config\.dest\.type: must be one of local, nfs, not "smb"$/,
    ],
    [order({ ksize: 0 }), /^plot_config\.ksize: is missing$/],
    [order({ ksize: 17 }), /^plot_config\.ksize: must be a whole number from 18 to 50, not 17$/],
    [order({ ksize: -32 }), /^plot_config\.ksize: must be a whole number/],
    [order({ threads: 0 }), /^plot_config\.threads: is missing$/],
    [order({ threads: 2000 }), /^plot_config\.threads: must be a whole number from 1 to 1024/],
    [order({ buffer: 0 }), /^plot_config\.buffer: is missing$/],
    [order({ buffer: -1 }), /^plot_config\.buffer: must be a whole number from 1 to 16777216/],
    [order({ fpk: '--stubborn' }), /^plot_config\.fpk: must be a public key in hex, 96 digits/],
    [order({ fpk: 'a'.repeat(95) }), /^plot_config\.fpk: must be a public key/],
    [order({ fpk: CONTRACT }), /^plot_config\.fpk: must be a public key/],
    [
      order({ ppk: 'a\nb' }),
      /^plot_config\.ppk: must be a public key in hex, 96 digits, or the address of a pool/,
    ],
    [order({ ppk: CONTRACT.slice(0, -1) }), /^plot_config\.ppk: must be a public key/],
    [order({ ppk: CONTRACT.replace('u8', 'ub') }), /^plot_config\.ppk: must be a public key/],
  ],
  plot_task_stop: [
    [{}, /^task_id: is missing$/],
    [{ task_id: LONG_ID }, /^task_id: must be/],
    [{ task_id: 'a', reason: 'x'.repeat(16_385) }, /^reason: must be at most 16384 characters$/],
    [{ task_id: 'a', reason: 'a\0' }, /^reason: must hold no NUL character$/],
    [{ task_id: 'a', command_id: LONG_ID }, /^command_id: must be/],
    [{ task_id: 'nobody' }, /^task nobody does not exist; create it first$/],
  ],
  plot_task_retry: [
    [{}, /^task_id: is missing$/],
    [{ task_id: 'known', reason: 'a\0' }, /^reason: must hold no NUL/],
    [
      { task_id: 'known' },
      /^task known is received; only a stopped, failed or finished task can be retried$/,
    ],
    [{ task_id: 'nobody' }, /^task nobody does not exist/],
  ],
  plot_task_fail: [
    [{}, /^task_id: is missing; reason: is missing$|^task_id: is missing/],
    [{ task_id: 'known' }, /^reason: is missing$/],
    [{ task_id: 'nobody', reason: 'x' }, /^task nobody does not exist/],
  ],
  plot_task_update: [
    [{}, /^task_id: is missing$/],
    [{ task_id: 'a/b' }, /^task_id: must be/],
    [{ task_id: 'known', worker_id: 'w w' }, /^worker_id: must be/],
    [{ task_id: 'known', status: 'initialized' }, /^status: must be one of received, pending, started/],
    [{ task_id: 'known', for_attempt: -1 }, /^for_attempt: must be a whole number from 1/],
    [{ task_id: 'known', received_time: 1 }, /^received_time: must be a time in Unix seconds, from 2010/],
    [{ task_id: 'known', remarks: 'a\0' }, /^remarks: must hold no NUL character$/],
    [{ task_id: 'known', exit_code: 256 }, /^exit_code: must be a whole number from 0 to 255, not 256$/],
    [
      { task_id: 'known', plot_details: { memo: 'a\nb' } },
      /^plot_details\.memo: must hold no NUL, line break/,
    ],
    [{ task_id: 'nobody' }, /^task nobody does not exist; create it first$/],
  ],
};

/** Answered as gRPC errors: these answers have no room for a refusal. */
const AS_ERRORS: Readonly<Record<string, readonly Refused[]>> = {
  get_plot_by_cache: [[{ status: 'received' }, /^cache1: is missing$/]],
  plot_task_list: [
    [{ statuses: ['received', 'x'] }, /^statuses: must be one of/],
    [{ worker_id: '$' }, new RegExp(`^worker_id: ${ID_RULE}`)],
    [{ cache: 'c' }, /^cache: must be an absolute path/],
    [{ created_from: Number.NaN }, /^created_from: must be a time/],
    [{ created_before: -5 }, /^created_before: must be a time/],
    [{ page_size: 1001 }, /^page_size: must be a whole number from 1 to 1000, not 1001$/],
    [{ page_size: -1 }, /^page_size: must be/],
    [{ page_token: 'after-x' }, /^page_token: must be the next_page_token/],
    [{ page_token: '1; DROP TABLE plot_tasks' }, /^page_token: must be/],
    [{ task_id_prefix: "a' OR 1=1" }, new RegExp(`^task_id_prefix: ${ID_RULE}`)],
  ],
  supervisor_attach: [
    [{}, /^session_id: is missing$/],
    [{ session_id: 's s' }, new RegExp(`^session_id: ${ID_RULE}`)],
    [{ session_id: 's', worker_id: 'w w' }, /^worker_id: must be/],
    [{ session_id: 's', lease_seconds: 3601 }, /^lease_seconds: must be a whole number from 1 to 3600/],
    [{ session_id: 's', host: 'a\nb' }, /^host: must hold no NUL/],
    [{ session_id: 's', pid: -1 }, /^pid: must be a whole number/],
    [{ session_id: 's', version: 'x'.repeat(65) }, /^version: must be at most 64 characters$/],
  ],
  supervisor_heartbeat: [
    [{}, /^session_id: is missing$/],
    [{ session_id: 's', worker_id: '-' }, /^worker_id: must be/],
  ],
  supervisor_detach: [
    [{}, /^session_id: is missing$/],
    [{ session_id: 's', reason: 'a\0' }, /^reason: must hold no NUL/],
  ],
  supervisor_plots: [
    [{ plots: [] }, /^session_id: is missing$/],
    [{ session_id: 's', plots: [{ task_id: 'a', attempt: -1 }] }, /^plots\.0\.attempt: must be/],
  ],
};

t.test('in-band refusals', async (t) => {
  const { ask, client, log } = await startTalentNode(t);
  await client.create(orderFor('known'));
  const before = await client.list({});
  for (const [method, refused] of Object.entries(IN_BAND)) {
    for (const [request, msg] of refused)
      t.match(await ask(method, request), { is_success: false, msg }, method);
  }
  t.same(await client.list({}), before, 'nothing of it is stored');
  t.same(log.messages('error'), []);
});

t.test('refusals as gRPC errors', async (t) => {
  const { ask, client, log } = await startTalentNode(t);
  for (const [method, refused] of Object.entries(AS_ERRORS)) {
    for (const [request, details] of refused)
      await t.rejects(ask(method, request), { code: GrpcStatus.INVALID_ARGUMENT, details }, method);
  }
  const streams: [AsyncIterable<unknown>, RegExp][] = [
    [client.watch({ task_ids: ['a', 'b b'] }), /^task_ids: must be 1 to 64/],
    [
      client.watch({ task_ids: Array.from({ length: 1001 }, (_, n) => `t${n}`) }),
      /^task_ids: must be at most 1000 ids$/,
    ],
    [client.watch({ statuses: ['x'] }), /^statuses: must be one of/],
    [client.watch({ worker_id: '/' }), /^worker_id: must be/],
    [client.history({}), /^task_id: is missing$/],
    [client.history({ task_id: 'a b' }), /^task_id: must be/],
    [client.history({ task_id: 'a', from_revision: -1 }), /^from_revision: must be a whole number from 0/],
    [client.work({}), /^session_id: is missing$/],
    [client.work({ session_id: 's', worker_id: ' ' }), /^worker_id: must be/],
  ];
  for (const [stream, message] of streams) await t.rejects(collect(stream), { kind: 'invalid', message });
  await t.rejects(collect(client.work({ session_id: 's' })), {
    kind: 'refused',
    message: /is not attached; attach with/,
  });
  t.same(log.messages('error'), []);
});

t.test('what is left out has its default', async (t) => {
  const { client, talent } = await startTalentNode(t);
  await client.create({
    task_id: 'a',
    plot_config: { ksize: 32, threads: 4, buffer: 4096, cache1: '/c', dest: { path: '/d' } },
  });
  const { plot_details, worker_id } = await client.status({ task_id: 'a' });
  t.equal(worker_id, talent.workerId);
  t.match(plot_details, { cache1: '/c', cache2: '/c', dest_type: 'nfs', dest_path: '/d' });
  t.same([plot_details?.fpk, plot_details?.ppk, plot_details?.memo], [undefined, undefined, undefined]);
  const sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
  for (const id of [sha256, 'task_6a1f0b52-7d53-4f7e-9c1f-0d9a5a2f6c11'])
    t.match(await client.create(orderFor(id)), { is_success: true }, id);
});
