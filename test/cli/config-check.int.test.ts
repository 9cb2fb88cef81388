/** `owl config check` finds what a start on this machine would, all of it at once, and changes nothing. */

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../src/base/clock.js';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { openDataDirectory } from '../../src/node/data-directory.js';
import { owl } from '../support/terminal-double.js';
import { check, withChia } from './checked-config.js';

const TLS = join(PACKAGE_ROOT, 'test/fixtures/tls');

t.test('what can be started has neither problems nor remarks', async (t) => {
  const path = withChia(t);
  const cwd = t.testdir();
  t.match(await check(cwd, 'data: here\n', { PATH: path }), {
    code: 0,
    problems: [],
    remarks: [],
    stderr: '',
  });
  t.strictSame(readdirSync(cwd), ['owl.yaml'], 'nothing is made');
});

t.test('everything that is named and is not there is told at once, with line and column', async (t) => {
  const { code, stderr, problems } = await check(
    t.testdir(),
    `data: none/data
listen: 0.0.0.0:7000
http_listen: 0.0.0.0:7000
tls:
  cert: no.pem
  key: no.key
  client_ca: ca.pem
  client_cert: c.pem
token_file: token
store: esdb://localhost:2113?tlsCaFile=/none/ca.pem
store_credentials_file: credentials
supervisor: { plotter: mine }
plotters:
  mine:
    argv: [/none/mine, -2, "{cache2}"]
    format: chiapos
`,
  );
  t.equal(code, 1);
  const expected = [
    /^owl\.yaml:1:1 data directory .*none\/data can't be made because its parent does not exist/,
    /^owl\.yaml:2:1 listen: this node listens on 0\.0\.0\.0:7000 and .* nothing says who may ask/,
    /^owl\.yaml:3:1 http_listen must be another address than listen/,
    /^owl\.yaml:5:3 tls\.cert: .*no\.pem can't be read/,
    /^owl\.yaml:6:3 tls\.key: .*no\.key can't be read/,
    /^owl\.yaml:7:3 tls\.client_ca: .*ca\.pem can't be read/,
    /^owl\.yaml:8:3 tls\.client_cert: .*c\.pem can't be read/,
    /^owl\.yaml:8:3 tls\.client_cert and tls\.client_key go together/,
    /^owl\.yaml:9:1 token_file: .*token can't be used/,
    /^owl\.yaml:10:1 store: tlsCaFile can't be read/,
    /^owl\.yaml:11:1 store_credentials_file: the credentials file can't be read/,
    /^owl\.yaml:15:5 plotters\.mine\.argv: its program \/none\/mine is not there or not executable/,
  ];
  t.match(problems, expected);
  t.equal(problems.length, expected.length);
  t.match(stderr, new RegExp(`^owl: the configuration has ${expected.length} problems:\\n`));
});

t.test('certificates and keys are looked into', async (t) => {
  const path = withChia(t);
  const checked = async (tls: Record<string, string>) => {
    const lines = Object.entries(tls).map(([name, file]) => `  ${name}: ${join(TLS, file)}\n`);
    return (await check(t.testdir(), `tls:\n${lines.join('')}`, { PATH: path })).problems;
  };
  t.strictSame(
    await checked({ cert: 'node.pem', key: 'node.key', client_ca: 'farm-ca.pem', ca: 'farm-ca.pem' }),
    [],
  );
  t.match(await checked({ cert: 'node.pem', key: 'node-2.key' }), [
    /^owl\.yaml:3:3 tls\.key: .* is not the key of/,
  ]);
  t.match(await checked({ cert: 'expired.pem', key: 'expired.key' }), [
    /^owl\.yaml:2:3 tls\.cert: .* has expired/,
  ]);
  t.match(await checked({ cert: 'node.pem' }), [/^owl\.yaml:2:3 tls\.cert and tls\.key go together/]);
  t.match(await checked({ client_ca: 'farm-ca.pem' }), [
    /^owl\.yaml:2:3 tls\.client_ca: tls\.cert and tls\.key go together, and tls\.client_ca wants/,
  ]);
  t.match(await checked({ key: 'node.key' }), [
    /^owl\.yaml:2:3 tls\.key: tls\.cert and tls\.key go together/,
  ]);
  t.match(await checked({ ca: 'node.key' }), [/^owl\.yaml:2:3 tls\.ca: .* holds no certificate as PEM/]);
  t.match(await checked({ client_cert: 'shed-3.pem' }), [/tls\.client_cert and tls\.client_key go together/]);
  t.match(await checked({ client_cert: 'expired-shed-3.pem', client_key: 'expired-shed-3.key' }), [
    /has expired/,
  ]);
});

t.test('the data directory is looked at as a node would find it', async (t) => {
  const path = withChia(t);
  const env = { PATH: path };
  const cwd = t.testdir({
    file: '',
    strange: { 'worker-id': {} },
    known: { 'worker-id': '5f1c2d9e-7a44-4a0e-9a51-0f6f3a1c7d52\n' },
    damaged: {},
  });
  t.match((await check(cwd, 'data: file\n', env)).problems, [
    /^owl\.yaml:1:1 data directory .* is no directory/,
  ]);
  t.match((await check(cwd, 'data: strange\ntoken_file: none\n', env)).problems, [
    /^owl\.yaml:1:1 data directory .*strange can't be used: EISDIR/,
    /^owl\.yaml:2:1 token_file: /,
  ]);
  t.match((await check(cwd, 'data: known\n', env)).problems, [/a node has worked in .*owl\.db is missing/]);
  writeFileSync(join(cwd, 'damaged/access.json'), '{');
  t.match((await check(cwd, 'data: damaged\n', env)).problems, [
    /access\.json can't be meant: it is no JSON from line 1, column 2 on\. Change it/,
  ]);
  writeFileSync(join(cwd, 'damaged/worker-id'), 'x');
  t.match((await check(cwd, 'data: damaged\n', env)).problems, [/worker-id holds no worker id/]);

  const used = join(cwd, 'used');
  mkdirSync(used, { mode: 0o700 });
  const directory = openDataDirectory(used, systemClock);
  t.teardown(() => directory.release());
  const found = await check(cwd, 'data: used\n', env);
  t.match(found, { code: 0, problems: [] });
  t.match(found.remarks, [new RegExp(`is in use by process ${process.pid}, since`)]);
});

t.test('plotters: who is chosen has to be there, others are remarked', async (t) => {
  const cwd = t.testdir();
  const path = withChia(t);
  const declared = 'plotters:\n  mine: { argv: [/none/mine], format: chia }\n';
  const plotting = (more: string) => check(cwd, `${more}\n${declared}`, { PATH: path });
  t.match(await plotting('supervisor: { plotter: mien }'), {
    problems: [/^owl\.yaml:1:15 supervisor\.plotter is mien, which is not declared; .* did you mean mine\?/],
    remarks: [/^owl\.yaml:3:11 plotters\.mine\.argv: .*not there or not executable/],
  });
  t.match(await plotting('supervisor: { plotter: madmax }'), {
    code: 1,
    problems: [
      /^owl\.yaml:1:15 supervisor\.plotter is madmax, and its program chia_plot is in no directory of PATH/,
    ],
  });
  t.match(await plotting('supervisor: { plotter: chia }'), { code: 0, problems: [] });
  const result = await check(cwd, 'supervisor: { plotter: chia }\n', { PATH: withChia(t, 0o644) });
  t.match(result, { code: 1, problems: [/program chia is in no directory of PATH/] });
});

t.test(
  'plotters: which versions they are for is said, and what the chosen one can not do is a problem',
  async (t) => {
    const cwd = t.testdir();
    const path = withChia(t);
    const own = (versions: string) =>
      `plotters:\n  mine: { argv: [chia], format: chia, ${versions}smallest_k: 30, largest_k: 33, max_per_cache: 1, k32_gib: { dest: 81.2 } }\n`;
    const explained = async (yaml: string) => (await check(cwd, yaml, { PATH: path })).explained;
    t.strictSame(await explained(''), ['plotter chia is for chia 1 and 2 (chia plots create)']);
    t.strictSame(await explained(own('versions: chia 3, ')), [
      'plotter chia is for chia 1 and 2 (chia plots create)',
      'plotter mine is for chia 3; k30 to k33',
    ]);
    t.strictSame(await explained(`supervisor: { plotter: mine }\n${own('')}`), [
      'plotter mine is for versions that its declaration does not name; k30 to k33',
    ]);
    const { stdout } = await owl(['config', 'check'], { cwd: t.testdir(), env: { PATH: path } });
    t.match(stdout, /\nplotter chia is for chia 1 and 2/);
    t.match(await check(cwd, 'supervisor: { compression: 5 }\n', { PATH: path }), {
      code: 1,
      problems: [/^owl\.yaml:1:15 supervisor\.compression is 5, and plotter chia makes no compressed plots/],
    });
    t.match(await check(cwd, 'supervisor: { plotter: bladebit-ramplot, compression: 9 }\n', { PATH: path }), {
      code: 1,
      problems: [/bladebit-ramplot, and its program/, /bladebit-ramplot has the levels 1 to 7/],
    });
  },
);
