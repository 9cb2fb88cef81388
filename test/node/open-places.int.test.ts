/** What others on this machine can get at: told by a check and by a start, with what to do, and nothing else is done about it. */

import { chmodSync, chownSync, copyFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { tellOpenPlacesOfCaller, tellOpenPlacesOfNode } from '../../src/node/open-places.js';
import { logLines } from '../support/log-lines.js';
import { loadTalentConfig, startTalent } from '../support/start-talent.js';
import { owl } from '../support/terminal-double.js';

const TLS = join(PACKAGE_ROOT, 'test/fixtures/tls');
const SECRET_FILES = ['node.key', 'shed.key', 'token', 'credentials'];
/** Where the supervisor's plotter is is nobody's secret. */
const YAML = `data: data
listen: 127.0.0.1:0
token_file: token
store_credentials_file: credentials
tls: { cert: node.pem, key: node.key, client_ca: ca.pem, client_cert: shed.pem, client_key: shed.key, ca: ca.pem }
`;

/** All of them as they should be. */
function place(t: Test, yaml = YAML): { readonly cwd: string; readonly at: (name: string) => string } {
  const cwd = t.testdir({ data: {}, token: 'secret\n', credentials: 'a:b\n', 'owl.yaml': yaml });
  const at = (name: string): string => join(cwd, name);
  for (const [from, to] of [
    ['node.pem', 'node.pem'],
    ['node.key', 'node.key'],
    ['shed-3.pem', 'shed.pem'],
    ['shed-3.key', 'shed.key'],
    ['farm-ca.pem', 'ca.pem'],
  ] as const)
    copyFileSync(join(TLS, from), at(to));
  chmodSync(at('data'), 0o700);
  for (const name of SECRET_FILES) chmodSync(at(name), 0o600);
  for (const name of ['ca.pem', 'owl.yaml']) chmodSync(at(name), 0o664);
  return { cwd, at };
}

async function remarks(cwd: string): Promise<string[]> {
  const { code, stdout } = await owl(['config', 'check', '--json'], { cwd });
  t.equal(code, 0, stdout);
  return JSON.parse(stdout)
    .remarks.map(({ place, rule }: Record<string, string>) => `${place} ${rule}`)
    .filter((remark: string) => !remark.includes('supervisor.plotter'));
}

t.test('what is for its owner alone is no remark', async (t) => {
  t.strictSame(await remarks(place(t).cwd), []);
});

t.test('each that others can read or change is told with its mode and what to do', async (t) => {
  const { cwd, at } = place(t);
  chmodSync(at('data'), 0o755);
  chmodSync(at('node.key'), 0o644);
  chmodSync(at('shed.key'), 0o620);
  chmodSync(at('token'), 0o666);
  chmodSync(at('credentials'), 0o640);
  chmodSync(at('ca.pem'), 0o666);
  chmodSync(at('owl.yaml'), 0o646);
  writeFileSync(at('data/local-token'), 'x', { mode: 0o644 });
  const told = await remarks(cwd);
  t.strictSame(
    told.map((remark) => remark.replaceAll(cwd, '.')).sort(),
    [
      'owl.yaml ./owl.yaml can be changed by others (mode 646); chmod o-w ./owl.yaml',
      'owl.yaml:1:1 data directory ./data can be read by others (mode 755); chmod 700 ./data',
      'owl.yaml:1:1 data: ./data/local-token can be read by others (mode 644); chmod 600 ./data/local-token; a start makes it anew',
      'owl.yaml:3:1 token_file: ./token can be read and changed by others (mode 666); chmod 600 ./token',
      'owl.yaml:5:24 tls.key: ./node.key can be read by others (mode 644); chmod 600 ./node.key',
      'owl.yaml:5:39 tls.client_ca: ./ca.pem can be changed by others (mode 666); chmod o-w ./ca.pem',
      'owl.yaml:5:81 tls.client_key: ./shed.key can be changed by others (mode 620); chmod 600 ./shed.key',
      'owl.yaml:5:103 tls.ca: ./ca.pem can be changed by others (mode 666); chmod o-w ./ca.pem',
      'owl.yaml:4:1 store_credentials_file: ./credentials can be read by others (mode 640); chmod 600 ./credentials',
    ].sort(),
  );
  t.equal(statSync(at('node.key')).mode & 0o777, 0o644, 'nothing is changed');
});

t.test('a configuration file with a password in it is a secret', async (t) => {
  const { cwd, at } = place(t, 'data: data\nstore: esdb://owl:secret@localhost:2113\n');
  const [told = '', ...others] = await remarks(cwd);
  t.strictSame(others, []);
  const path = at('owl.yaml');
  t.equal(
    told,
    `owl.yaml the password in ${path} can be read and changed by others (mode 664); chmod 600 ${path}`,
  );
});

const isRoot = process.getuid?.() === 0;
const NEEDS_ROOT = { skip: isRoot ? false : 'only root can give a file away' };
t.test('a key of somebody else that this user reads by its group is no remark', NEEDS_ROOT, async (t) => {
  const { cwd, at } = place(t);
  chownSync(at('node.key'), 12_345, 0);
  chmodSync(at('node.key'), 0o640);
  t.strictSame(await remarks(cwd), []);
  chmodSync(at('node.key'), 0o664);
  const path = at('node.key');
  const [told] = await remarks(cwd);
  t.match(told, `can be read and changed by others (mode 664); chown 0 ${path} and chmod 600 ${path}`);
  chmodSync(path, 0o640);
  chownSync(at('data'), 12_345, 0);
  chmodSync(at('data'), 0o770);
  t.strictSame(await remarks(cwd), []);
});

t.test('a start says it once, and goes on', async (t) => {
  const { cwd, at } = place(t);
  mkdirSync(at('open'), { mode: 0o755 });
  chmodSync(at('open'), 0o755);
  chmodSync(at('node.key'), 0o644);
  chmodSync(at('token'), 0o644);
  const config = loadTalentConfig({ env: { OWL_DATA: 'open' }, cwd });
  const log = logLines();
  const node = await startTalent({ config, logger: log.logger });
  t.teardown(() => node.stop());
  const told = log.messages('warn').filter((message) => message.includes('by others'));
  t.match(told, [
    /^data directory .*open can be read by others/,
    /^tls\.key: .*node\.key can be read by others/,
  ]);
  t.equal(told.length, 2, 'the token is the business of who calls a node');
  const others = logLines();
  tellOpenPlacesOfCaller(config, others.logger);
  t.match(others.messages('warn'), [/^token_file: .*token can be read by others \(mode 644\); chmod 600 /]);
});

t.test('where modes say nothing, nothing is told', async (t) => {
  const { cwd, at } = place(t);
  chmodSync(at('node.key'), 0o666);
  const log = logLines();
  t.intercept(process, 'getuid', { value: undefined });
  tellOpenPlacesOfNode(loadTalentConfig({ env: {}, cwd }), log.logger);
  t.strictSame(log.messages('warn'), []);
});
