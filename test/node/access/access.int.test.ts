/** Who is known, who may ask, and what becomes known of who may not: on a real data directory. */

import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Access, type AccessMode, type Caller, type Evidence } from '../../../src/node/access/access.js';
import {
  accessFile,
  addAccess,
  localTokenFile,
  prepareAccess,
  readAccess,
  revokeAccess,
} from '../../../src/node/access/access-file.js';
import { Denials } from '../../../src/node/access/denials.js';
import { type DeniedCall, deniedCaller, noteDenied } from '../../../src/node/access/denied-caller.js';
import { KnownCallers } from '../../../src/node/access/known-callers.js';
import { isLoopback } from '../../../src/node/access/loopback.js';
import { type OperationAccess, ROLES } from '../../../src/node/access/roles.js';
import { ofKind } from '../../support/events.js';
import { specificationOf } from '../../support/given.js';
import { logLines } from '../../support/log-lines.js';
import { ManualClock } from '../../support/manual-clock.js';

const WORK: OperationAccess = { roles: ['worker'], withoutCredentials: 'as-before' };
const READ: OperationAccess = { roles: ['reader', 'operator'] };
const RUN: OperationAccess = { roles: ['submitter'], withoutCredentials: 'never' };

async function world(t: Test, mode: AccessMode = 'required') {
  const data = t.testdir();
  await prepareAccess(data, false);
  const log = logLines();
  const clock = new ManualClock();
  const recorded: DeniedCall[] = [];
  const record = async (call: DeniedCall) => recorded.push(call);
  const denials = new Denials({ clock, logger: log.logger, record });
  const access = new Access({ mode, known: new KnownCallers(data, log.logger), denials });
  const identify = (evidence: Partial<Evidence>) => access.identify({ address: '10.0.0.7', ...evidence });
  const withToken = (token: string | undefined) => identify({ authorization: `Bearer ${token}` });
  return { data, log, clock, recorded, denials, access, identify, withToken };
}

t.test('a token has its roles, and no others', async (t) => {
  const { data, access, withToken } = await world(t);
  const token = await addAccess(data, { name: 'auditor', roles: ['reader', 'reader'] });
  const auditor = withToken(token);
  t.match(auditor, { name: 'auditor', roles: ['reader'], workerId: undefined, problem: undefined });
  access.authorise('List', READ, auditor);
  t.throws(() => access.authorise('Work', WORK, auditor), {
    kind: 'forbidden',
    message: 'auditor may not do this: it has reader, and this needs worker',
  });
  t.throws(() => access.authorise('List', READ, access.identify({ address: '10.0.0.7' })), {
    kind: 'unauthenticated',
    message: /^nothing was shown that says who asks; this needs a token with the role reader or operator/,
  });
});

t.test("it stands nowhere as it is, and the files are their owner's alone", async (t) => {
  const { data } = await world(t);
  const token = await addAccess(data, { name: 'auditor', roles: ['reader'] });
  const text = readFileSync(accessFile(data), 'utf8');
  t.notMatch(text, String(token));
  for (const file of [accessFile(data), localTokenFile(data)])
    t.equal(statSync(file).mode & 0o777, 0o600, file);
  t.notMatch(text, readFileSync(localTokenFile(data), 'utf8').trim());
});

t.test('one that was taken back does not count from then on, in a running node too', async (t) => {
  const { data, withToken, access, denials } = await world(t);
  const token = await addAccess(data, { name: 'shed-3', roles: ['worker'] });
  const before = access.mark;
  access.authorise('Work', WORK, withToken(token));
  await revokeAccess(data, 'shed-3');
  t.not(access.mark, before);
  const late = withToken(token);
  t.match(late, { name: 'shed-3', roles: [], problem: /^the token of shed-3 was taken back on 20/ });
  t.throws(() => access.authorise('Work', WORK, late), ofKind('unauthenticated'));
  t.same(denials.all, [{ kind: 'unauthenticated', operation: 'Work', count: 1 }]);
  const anew = await addAccess(data, { name: 'shed-3', roles: ['worker'] });
  access.authorise('Work', WORK, withToken(anew));
  t.match(withToken(token), { problem: /taken back/ });
});

t.test(
  'the token of owl itself has all roles, stays over starts, and is made anew when it is taken back',
  async (t) => {
    const { data, withToken } = await world(t);
    const local = () => readFileSync(localTokenFile(data), 'utf8').trim();
    const first = local();
    await prepareAccess(data, true);
    t.equal(local(), first);
    t.match(withToken(first), { name: 'local', roles: ROLES });
    await revokeAccess(data, 'local');
    t.not(local(), first);
    t.match(withToken(first), { problem: /taken back/ });
    t.match(withToken(local()), { roles: ROLES });
    writeFileSync(localTokenFile(data), 'not a token\n');
    await prepareAccess(data, false);
    t.match(withToken(local()), { roles: ROLES });
  },
);

t.test('what others could have read or written does not count', async (t) => {
  const { data, withToken } = await world(t);
  const local = () => readFileSync(localTokenFile(data), 'utf8').trim();
  const first = local();
  chmodSync(localTokenFile(data), 0o644);
  await prepareAccess(data, false);
  t.equal(statSync(localTokenFile(data)).mode & 0o777, 0o600);
  t.match(withToken(first), { name: undefined, problem: 'its token is not known here' });
  t.match(withToken(local()), { name: 'local' });
  chmodSync(accessFile(data), 0o620);
  // What asks at once is one call, and looks once.
  await Promise.resolve();
  t.throws(() => withToken(local()), ofKind('unavailable'));
  t.throws(() => readAccess(data), { kind: 'invalid', message: /can be written by others/ });
  await t.rejects(prepareAccess(data, false), ofKind('invalid'), 'a node does not start with it');
  chmodSync(accessFile(data), 0o600);
  await Promise.resolve();
  t.match(withToken(local()), { name: 'local' });
});

t.test('a caller that is limited to a worker speaks for that one alone', async (t) => {
  const { data, access, withToken } = await world(t);
  const token = await addAccess(data, { name: 'a', roles: ['worker', 'reporter'], workerId: 'shed-3' });
  const caller = withToken(token);
  const ask = (worker?: () => string | undefined) => access.authorise('Work', WORK, caller, worker);
  ask(() => 'shed-3');
  for (const [worker, why] of [
    [() => 'shed-4', 'this is of "shed-4"'],
    [() => '', 'this names no worker'],
    [() => undefined, 'this names no worker'],
    [undefined, 'this names no worker'],
  ] as const)
    t.throws(() => ask(worker), {
      kind: 'forbidden',
      message: `a may speak for the worker shed-3 alone, and ${why}`,
    });
  access.authorise('List', { roles: ['worker'], isQuery: true }, caller);
});

t.test(
  'a limit to a worker goes with no role to which it would not apply, and counts with each',
  async (t) => {
    const { data, access, withToken } = await world(t);
    for (const role of ['reader', 'submitter', 'operator'] as const)
      await t.rejects(addAccess(data, { name: 'a', roles: ['worker', role], workerId: 'shed-9' }), {
        kind: 'invalid',
        message: `a limit to one worker goes with the roles worker and reporter alone, not with ${role}: give those to another name, without a worker`,
      });
    const token = await addAccess(data, { name: 'a', roles: ['submitter', 'worker'] });
    const content = JSON.parse(readFileSync(accessFile(data), 'utf8'));
    content.entries[1].worker_id = 'shed-9';
    writeFileSync(accessFile(data), JSON.stringify(content));
    const caller = withToken(token);
    t.match(caller, { name: 'a', workerId: 'shed-9' });
    t.throws(() => access.authorise('Order', RUN, caller), ofKind('forbidden'), 'it names no worker');
    access.authorise('Order', RUN, caller, () => 'shed-9');
    t.throws(() => access.authorise('Order', RUN, caller, () => 'shed-1'), ofKind('forbidden'));
  },
);

t.test('what is asked of nobody: by mode and operation', async (t) => {
  const served = async (t: Test, mode: AccessMode) => {
    const { access, identify } = await world(t, mode);
    return [WORK, READ, RUN].map((operation) => {
      try {
        access.authorise('It', operation, identify({}));
        return true;
      } catch {
        return false;
      }
    });
  };
  await t.test('open', async (t) => t.same(await served(t, 'open'), [true, true, false]));
  await t.test('as before', async (t) => t.same(await served(t, 'as-before'), [true, false, false]));
  await t.test('required', async (t) => t.same(await served(t, 'required'), [false, false, false]));
});

t.test('what this machine alone reaches', async (t) => {
  for (const own of [
    '127.0.0.1:1',
    '127.8.9.1:1',
    '[::1]:1',
    '[0:0:0:0:0:0:0:1]:1',
    'localhost:1',
    'LOCALHOST:1',
  ])
    t.equal(isLoopback(own), true, own);
  for (const other of [
    '0.0.0.0:1',
    '[::]:1',
    '10.0.0.1:1',
    '[1::1]:1',
    '[::1:1]:1',
    '[::ffff:10.0.0.1]:1',
    'farm:1',
    'localhost.example:1',
    'x',
  ])
    t.equal(isLoopback(other), false, other);
});

t.test('a certificate counts by its name, if it is good', async (t) => {
  const { data, access, identify } = await world(t);
  t.equal(await addAccess(data, { name: 'shed-3', roles: ['worker'], certificate: true }), undefined);
  access.authorise('Work', WORK, identify({ certificate: { name: 'shed-3' } }));
  const problemOf = (certificate: { name: string; problem?: string }): Caller['problem'] =>
    identify({ certificate }).problem;
  t.equal(problemOf({ name: 'shed-4' }), 'no certificate of the name "shed-4" is known here');
  t.equal(
    problemOf({ name: 'shed-3', problem: 'it has expired' }),
    'its certificate does not count: it has expired',
  );
  await revokeAccess(data, 'shed-3');
  t.match(problemOf({ name: 'shed-3' }), /^the certificate of shed-3 was taken back/);
});

t.test('whatever else is shown is nobody', async (t) => {
  const { withToken, identify } = await world(t);
  for (const token of ['', 'x', `owl_${'A'.repeat(43)}`, 'a'.repeat(10_000)])
    t.match(withToken(token), { name: undefined, roles: [], problem: /./ }, token.slice(0, 10));
  t.match(identify({ authorization: 'Basic b3ds' }), { problem: 'what it shows is no bearer token' });
});

t.test('while the file can not be meant nobody is known, and it is told once', async (t) => {
  const { data, withToken, log } = await world(t);
  const token = readFileSync(localTokenFile(data), 'utf8').trim();
  const good = readFileSync(accessFile(data), 'utf8');
  for (const bad of [
    '{',
    good.replace('"reader",', '"boss",'),
    good.replace(/"roles": \[[^\]]*\]/, '"roles": []'),
  ]) {
    writeFileSync(accessFile(data), bad);
    t.throws(() => withToken(token), { kind: 'unavailable', message: /can not be read here/ });
    t.throws(() => withToken(token), ofKind('unavailable'));
  }
  t.throws(() => readAccess(data), { kind: 'invalid', message: /entries\.0\.roles must name a role/ });
  await t.rejects(prepareAccess(data, false), ofKind('invalid'), 'a node does not start with it');
  writeFileSync(accessFile(data), good);
  t.match(withToken(token), { name: 'local' });
  t.equal(log.messages('error').filter((text) => text.startsWith('who is known can not')).length, 3);
});

t.test('names are taken once, and what is not there is told with what is', async (t) => {
  const { data } = await world(t);
  await addAccess(data, { name: 'a', roles: ['reader'] });
  await t.rejects(addAccess(data, { name: 'a', roles: ['reader'] }), ofKind('exists'));
  await t.rejects(addAccess(data, { name: 'local', roles: ['reader'] }), ofKind('exists'));
  await t.rejects(revokeAccess(data, 'b'), { kind: 'not_found', message: /there are local, a$/ });
  await t.rejects(addAccess(join(data, 'none'), { name: 'a', roles: ['reader'] }), ofKind('refused'));
  t.same(
    readAccess(data)?.entries.map(({ name }) => name),
    ['local', 'a'],
  );
});

t.test('many who change it at once all succeed', async (t) => {
  const { data } = await world(t);
  const names = Array.from({ length: 8 }, (_, i) => `n${i}`);
  const tokens = await Promise.all(names.map((name) => addAccess(data, { name, roles: ['reader'] })));
  t.equal(new Set(tokens).size, 8);
  t.same(
    readAccess(data)
      ?.entries.map(({ name }) => name)
      .sort(),
    ['local', ...names],
  );
});

const unlessRoot = { skip: process.getuid?.() === 0 ? 'nothing keeps root from writing' : false };

t.test('a directory that can not be written keeps what it had', unlessRoot, async (t) => {
  const { data } = await world(t);
  chmodSync(data, 0o500);
  t.teardown(() => chmodSync(data, 0o700));
  await t.rejects(addAccess(data, { name: 'a', roles: ['reader'] }), ofKind('unavailable'));
  t.same(
    readAccess(data)?.entries.map(({ name }) => name),
    ['local'],
  );
});

t.test(
  'denials are counted, told ten times a minute, and recorded once a minute for who is known',
  async (t) => {
    const { data, access, withToken, identify, clock, log, recorded, denials } = await world(t);
    const auditor = withToken(await addAccess(data, { name: 'auditor', roles: ['reader'] }));
    const deny = (caller: Caller) => t.throws(() => access.authorise('Work', WORK, caller));
    for (let i = 0; i < 25; i++) {
      deny(auditor);
      deny(identify({}));
    }
    const lines = () => log.messages('warn').filter((text) => text === 'a call was denied').length;
    t.equal(lines(), 10);
    t.match(recorded, [{ caller: 'auditor', operation: 'Work', kind: 'forbidden', denied_calls: 1 }]);
    t.equal(recorded.length, 1);
    clock.advance(60_000);
    deny(auditor);
    for (let i = 0; i < 10; i++) deny(identify({}));
    t.equal(recorded.length, 2);
    t.equal(recorded[1]?.denied_calls, 25, 'with those that were not told');
    t.ok(log.messages('warn').includes('more calls were denied than were told'));
    t.same(
      denials.all.map(({ kind, count }) => [kind, count]),
      [
        ['forbidden', 26],
        ['unauthenticated', 35],
      ],
    );
    await denials.ended();
    t.equal(
      log.messages('warn').filter((text) => text === 'more calls were denied than were told').length,
      2,
      'also at the end',
    );
  },
);

t.test('the history holds one denial a minute of a caller, also of a node that has just begun', async (t) => {
  const denied = (at: number): DeniedCall => ({
    ...{ caller: 'a', operation: 'Work', kind: 'forbidden', reason: 'it may not', address: '10.0.0.7' },
    ...{ denied_calls: 1, denied_at: at },
  });
  const given = specificationOf(deniedCaller);
  const event = (at: number) => ({ type: 'CallDenied' as const, data: denied(at) });
  const now = 1_800_000_000_000;
  given([])
    .when(noteDenied(denied(now)))
    .then(t, [event(now)]);
  given([event(now)])
    .when(noteDenied(denied(now + 59_999)))
    .then(t, []);
  given([event(now)])
    .when(noteDenied(denied(now - 10)))
    .then(t, []);
  given([event(now)])
    .when(noteDenied(denied(now + 60_000)))
    .then(t, [event(now + 60_000)]);
});
