/** What goes with each error over the wire beside its code: its kind, and what is wrong with each field; and what clients make of it. */

import { Metadata, status } from '@grpc/grpc-js';
import t from 'tap';
import {
  type ErrorKind,
  GRPC_CODE_OF,
  InvalidFieldError,
  isErrorKind,
  OwlError,
} from '../../../src/base/errors.js';
import { isDenial, isRefusal, isTransient } from '../../../src/base/failure-kinds.js';
import { toServiceError } from '../../../src/node/serving/calls.js';
import { explainCallError } from '../../../src/wire/call-error.js';
import { ofKind } from '../../support/events.js';
import { logLines } from '../../support/log-lines.js';
import { startTalentNode } from '../../support/talent-node.js';

const KINDS = Object.keys(GRPC_CODE_OF).filter(isErrorKind);

/** As a client gets it. */
function overTheWire(error: unknown): OwlError {
  return explainCallError(toServiceError(error, logLines().logger, 'a.Service/method'), 'farm:50051');
}

t.test(
  'a real node says kind and problems beside the code of old, and a client goes by the kind',
  async (t) => {
    const node = await startTalentNode(t);
    const refused = (metadata: Record<string, string>, code: number) => (error: unknown) =>
      t.match(error, { code, metadata: { getMap: Function } }) &&
      error instanceof Error &&
      'metadata' in error &&
      error.metadata instanceof Metadata &&
      t.match(error.metadata.getMap(), metadata);
    await node
      .ask('supervisor_heartbeat', { worker_id: 'nobody', session_id: 's' })
      .then(t.fail, refused({ 'owl-kind': 'refused' }, status.FAILED_PRECONDITION));
    await node.ask('supervisor_attach', { session_id: 'ä b' }).then(
      t.fail,
      refused(
        {
          'owl-kind': 'invalid',
          'owl-problems':
            '[{"field":"session_id","rule":"must be 1 to 64 letters, digits, dots, colons, dashes or underscores, and begin with a letter or digit"}]',
        },
        status.INVALID_ARGUMENT,
      ),
    );
    await t.rejects(node.client.attach({ session_id: 'ä b' }), {
      name: 'InvalidFieldError',
      field: 'session_id',
      message: /^session_id: must be 1 to 64 letters/,
    });
    await t.rejects(node.client.heartbeat({ worker_id: 'nobody', session_id: 's' }), ofKind('refused'));
  },
);

t.test('each kind comes back as itself, also where two of them have one code', async (t) => {
  for (const kind of KINDS) {
    const back = overTheWire(new OwlError(kind, `it is ${kind}`));
    t.match(back, { kind, message: `it is ${kind}` });
    t.equal(overTheWire(back).kind, kind, 'and once more');
  }
  t.equal(GRPC_CODE_OF.outdated, GRPC_CODE_OF.conflict);
});

t.test('the code alone decides where a peer says no kind, or one that nobody knows', async (t) => {
  const said = (kind: string | undefined, code: status) => {
    const metadata = new Metadata();
    if (kind !== undefined) metadata.set('owl-kind', kind);
    const error = Object.assign(new Error('no'), { code, details: 'no', metadata });
    return explainCallError(error, 'farm:50051').kind;
  };
  const expected: readonly [string | undefined, status, ErrorKind][] = [
    [undefined, status.ABORTED, 'conflict'],
    [undefined, status.UNAUTHENTICATED, 'unauthenticated'],
    [undefined, status.PERMISSION_DENIED, 'forbidden'],
    ['brand-new', status.NOT_FOUND, 'not_found'],
    ['toString', status.NOT_FOUND, 'not_found'],
    ['internal', status.INTERNAL, 'unavailable'],
    ['outdated', status.ABORTED, 'outdated'],
  ];
  for (const [kind, code, meant] of expected) t.equal(said(kind, code), meant, `${kind} ${status[code]}`);
});

t.test('all problems of a request arrive, whatever they hold, as far as there is room', async (t) => {
  const two = new InvalidFieldError('a', 'must be "ü"\n日', [{ field: 'b[0]', rule: 'must be 1' }]);
  t.match(overTheWire(two), { field: 'a', problems: two.problems, message: two.message });
  const many = Array.from({ length: 1_000 }, (_, i) => ({ field: `f${i}`, rule: 'must be 日'.repeat(20) }));
  const error = toServiceError(new InvalidFieldError('f', 'is missing', many), logLines().logger, 'm');
  const [json] = error.metadata.get('owl-problems');
  t.ok(String(json).length <= 4096);
  t.match(JSON.parse(String(json)), [{ field: 'f', rule: 'is missing' }, { field: 'f0' }]);
  t.equal(overTheWire(new InvalidFieldError('f', 'is missing', many)).kind, 'invalid');
});

t.test('what fails inside says so, without its workings', async (t) => {
  const { metadata, details } = toServiceError(new TypeError('secret path'), logLines().logger, 'm');
  t.same(metadata.getMap(), { 'owl-kind': 'internal' });
  t.notMatch(details, 'secret path');
});

t.test('each kind is one of: to send again, final, or said to somebody who may not ask', async (t) => {
  for (const kind of KINDS) {
    const error = new OwlError(kind, '');
    t.equal([isTransient(error), isRefusal(error), isDenial(error)].filter(Boolean).length, 1, kind);
  }
});
