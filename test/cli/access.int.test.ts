/** `owl access`: says who may ask the node of this machine, while it runs and while it does not. */

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseAddress } from '../../src/base/address.js';
import { credentialsAt } from '../../src/cli/globals.js';
import { accessFile, prepareAccess } from '../../src/node/access/access-file.js';
import { isOwnAddress, writeOwnAddress } from '../../src/node/access/own-address.js';
import { Settings } from '../../src/node/config/config.js';
import { PlotManagerClient } from '../../src/systems/talent/wire/plot-manager-client.js';
import { ofKind } from '../support/events.js';
import { startTalentNode } from '../support/talent-node.js';
import { owl } from '../support/terminal-double.js';

async function directory(t: Test) {
  const data = t.testdir();
  await prepareAccess(data, false);
  return { data, access: (...args: string[]) => owl(['access', ...args], { env: { OWL_DATA: data } }) };
}

t.test('a token is shown once, and is all that stands on stdout', async (t) => {
  const { data, access } = await directory(t);
  const { code, stdout, stderr } = await access(
    'add',
    'shed-3',
    '--role',
    'worker,reporter',
    '--worker',
    'shed-3',
  );
  t.equal(code, 0);
  t.match(stdout, /^owl_[A-Za-z0-9_-]{43}\n$/);
  t.match(stderr, /This is shown once/);
  const list = await access('list');
  t.match(list.stdout, /NAME +ROLES +WORKER +SHOWS/);
  t.match(list.stdout, /shed-3 +worker, reporter +shed-3 +token/);
  t.notMatch(list.stdout + readFileSync(accessFile(data), 'utf8'), stdout.trim());
});

t.test('for programs it is JSON, without secrets but the one that is made', async (t) => {
  const { access } = await directory(t);
  const made = JSON.parse((await access('add', 'a', '--role', 'reader', '--json')).stdout);
  t.match(made, { name: 'a', roles: ['reader'], token: /^owl_/ });
  const shown = await access('add', 'b', '--role', 'worker', '--certificate', '--json');
  t.strictSame(JSON.parse(shown.stdout), { name: 'b', roles: ['worker'] });
  t.match(JSON.parse((await access('revoke', 'a', '--json')).stdout), { name: 'a', revoked: true });
  const { stdout } = await access('list', '--json');
  t.match(JSON.parse(stdout), {
    known: [
      { name: 'local', shows: 'token' },
      { name: 'b', roles: ['worker'], shows: 'certificate' },
    ],
    revoked: [{ name: 'a' }],
  });
  t.notMatch(stdout, /sha256|owl_/);
});

t.test('what can not be meant is usage, what is refused says why', async (t) => {
  const { access } = await directory(t);
  for (const args of [
    ['add', 'a'],
    ['add', 'a', '--role', ''],
    ['add', 'a', '--role', 'boss'],
    ['add', 'a b', '--role', 'reader'],
    ['add', 'a', '--role', 'worker', '--worker', '../x'],
    ['revoke'],
  ])
    t.match(await access(...args), { code: 2, stdout: '' }, args.join(' '));
  t.match(await access('add', 'local', '--role', 'reader'), { code: 1, stderr: /"local" is known already/ });
  t.match(await access('add', 'a', '--role', 'submitter', '--worker', 'shed-9'), {
    code: 1,
    stdout: '',
    stderr: /a limit to one worker goes with the roles worker and reporter alone, not with submitter/,
  });
  t.match(await access('revoke', 'nobody'), {
    code: 1,
    stderr: /nobody is known as "nobody"; there are local/,
  });
});

t.test("a directory that is no node's stays as it is", async (t) => {
  const data = t.testdir({ 'notes.txt': '' });
  const run = (...args: string[]) => owl(['access', ...args, '--data', data]);
  for (const args of [['add', 'a', '--role', 'reader'], ['revoke', 'a'], ['list']])
    t.match(await run(...args), { code: 1, stderr: /no node of this version has run in .* yet/ });
  t.same(readdirSync(data), ['notes.txt']);
  t.match(await owl(['access', 'list', '--data', join(data, 'none')]), { code: 1 });
});

t.test('a node that runs takes note at once, and owl itself asks for nothing', async (t) => {
  const node = await startTalentNode(t, { config: { access: 'required' } });
  const env = { OWL_DATA: node.data, OWL_SERVER: node.address };
  t.match(await owl(['plot', 'list'], { env }), { code: 0 });
  t.match(await owl(['plot', 'list'], { env: { OWL_SERVER: node.address } }), {
    code: 1,
    stderr: /^owl: nothing was shown that says who asks; .* OWL_DATA or owl.yaml name/,
  });
  const { stdout } = await owl(['access', 'add', 'auditor', '--role', 'reader'], { env });
  const file = join(t.testdirName, 'token');
  writeFileSync(file, stdout, { mode: 0o600 });
  const asAuditor = { env: { OWL_SERVER: node.address, OWL_TOKEN_FILE: file } };
  t.match(await owl(['plot', 'list'], asAuditor), { code: 0 });
  t.match(await owl(['plot', 'create', '--cache1', '/ssd', '--dest-path', '/farm'], asAuditor), {
    code: 1,
    stderr: /auditor may not do this: it has reader, and this needs submitter/,
  });
  await owl(['access', 'revoke', 'auditor'], { env });
  t.match(await owl(['plot', 'list'], asAuditor), { code: 1, stderr: /the token of auditor was taken back/ });
  await owl(['access', 'revoke', 'local'], { env });
  t.match(await owl(['plot', 'list'], { env }), { code: 0 }, 'owl has a new one');
  t.equal(statSync(join(node.data, 'local-token')).mode & 0o777, 0o600);
});

t.test('the token of this machine goes to no other', async (t) => {
  const node = await startTalentNode(t, { config: { access: 'required', listen: '127.0.0.1:0' } });
  // A name that is not known as this machine's leads here all the same.
  const client = new PlotManagerClient({ server: node.address });
  t.teardown(() => client.close());
  await t.rejects(client.list({}), ofKind('unauthenticated'));
  const load = (flags: Record<string, string>) =>
    new Settings([]).load({ env: {}, cwd: '/', flags: { data: node.data, ...flags } });
  const tokenFor = (server: string, flags = {}) => {
    const { token } = credentialsAt(load(flags), server);
    return token?.mayBeShown?.() === false ? undefined : token?.file;
  };
  const own = join(node.data, 'local-token');
  const port = node.address.split(':')[1];
  t.equal(tokenFor(node.address), own);
  for (const server of [
    `10.0.0.5:${port}`,
    `farm:${port}`,
    `[fe80::1]:${port}`,
    '127.0.0.1.evil.example:50051',
  ])
    t.equal(tokenFor(server), undefined, server);
  // Others may listen there.
  for (const server of ['127.0.0.1:1', `127.0.0.2:${port}`, `[::1]:${port}`, `localhost:${port}`])
    t.equal(tokenFor(server), undefined, server);
  t.equal(tokenFor('10.0.0.5:50051', { listen: '10.0.0.5:50051' }), undefined, 'it is configured, not there');
  t.equal(tokenFor('farm:50051', { token_file: '/etc/owl/token' }), '/etc/owl/token');
  const env = { OWL_DATA: node.data };
  t.match(
    await owl(['plot', 'list', '--server', `localhost:${port}`], { env }),
    { code: 0 },
    'by its address',
  );
  await node.stop();
  t.equal(tokenFor(node.address), undefined, 'nor once it has stopped');
});

t.test('what an address says of the one that is called', async (t) => {
  const data = t.testdir({});
  const isOwn = (bound: string, server: string) => {
    writeOwnAddress(data, bound);
    const called = parseAddress(server);
    return called !== undefined && isOwnAddress(data, called);
  };
  for (const [bound, server] of [
    ['127.0.0.1:1', '127.0.0.1:1'],
    ['0.0.0.0:1', '127.0.0.1:1'],
    ['0.0.0.0:1', '127.0.0.2:1'],
    ['[::]:1', '[::1]:1'],
    ['[::1]:1', '[::1]:1'],
    ['localhost:1', 'localhost:1'],
    ['10.0.0.5:1', '10.0.0.5:1'],
  ] as const)
    t.equal(isOwn(bound, server), true, `${bound} ${server}`);
  for (const [bound, server] of [
    ['127.0.0.1:1', '127.0.0.1:2'],
    ['127.0.0.1:1', 'localhost:1'],
    ['0.0.0.0:1', 'localhost:1'],
    ['0.0.0.0:1', '[::1]:1'],
    ['0.0.0.0:1', '127.evil:1'],
    ['[::]:1', '127.0.0.1:1'],
    ['10.0.0.5:1', '127.0.0.1:1'],
  ] as const)
    t.equal(isOwn(bound, server), false, `${bound} ${server}`);
});
