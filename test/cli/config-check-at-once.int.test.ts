/** `owl config check`: nothing that is wrong hides something else, and nothing is told that would follow from what is wrong. */

import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { check, withChia } from './checked-config.js';

const TLS = join(PACKAGE_ROOT, 'test/fixtures/tls');

async function problems(t: Test, yaml: string, env: Record<string, string> = {}): Promise<string[]> {
  return (await check(t.testdir(), yaml, { PATH: withChia(t), ...env })).problems;
}

t.test('a wrong key hides nothing of the machine', async (t) => {
  const yaml = `log: { level: loud }
lisen: 127.0.0.1:1
token_file: nothere
supervisor: { plotter: none, max_plots: 0 }
data: none/data
tls: { ca: no.pem, cert: }
`;
  t.match(await problems(t, yaml), [
    /^owl\.yaml:1:8 must be one of trace/,
    /^owl\.yaml:2:1 is not a known key; did you mean listen/,
    /^owl\.yaml:3:1 token_file: .*nothere can't be used/,
    /^owl\.yaml:4:15 supervisor\.plotter is none, which is not declared/,
    /^owl\.yaml:4:30 must be a whole number/,
    /^owl\.yaml:5:1 data directory .* can't be made/,
    /^owl\.yaml:6:8 tls\.ca: .* can't be read/,
  ]);
  t.match(await problems(t, 'store: postgres\nstore_credentials_file: none\n'), [
    /must be embedded/,
    /^owl\.yaml:2:1 store_credentials_file: the credentials file can't be read/,
  ]);
  t.match(await problems(t, 'systems: [talent, graphx]\nsupervisor: { plotter: none }\n'), [
    /there is no "graphx"/,
    /^owl\.yaml:2:15 supervisor\.plotter is none/,
  ]);
});

t.test('a key that is given twice hides nothing', async (t) => {
  t.match(await problems(t, 'log: { level: info }\nlog: { level: loud }\ntoken_file: nothere\n'), [
    /^owl\.yaml:2:1 is given twice; it stands in owl\.yaml:1:1 too/,
    /^owl\.yaml:2:8 is given twice/,
    /^owl\.yaml:2:8 must be one of trace/,
    /^owl\.yaml:3:1 token_file: /,
  ]);
});

t.test('nothing follows from what is wrong', async (t) => {
  for (const yaml of [
    'listen: 0.0.0.0:7000\naccess: requird\n',
    'listen: 0.0.0.0:7000\nacces: required\n',
    'listen: 0.0.0.0:7000\nacccess: open\n',
    'listen: 0.0.0.0:7000\naccess: open\naccess: required\n',
    'listen: nowhere\nhttp_listen: 127.0.0.1:50051\n',
    'plotters: { mine: { argv: [mine] } }\nsupervisor: { plotter: mine }\n',
    'plotters: { chia: { argv: [/none/mine] } }\n',
    'supervisor: { plotter: Chia, compression: 3 }\n',
    'supervisor: { plotter: chia, compression: 10 }\n',
    `tls: { cert: ${TLS}/node.pem, key: 3 }\n`,
    'store: embeded\n',
  ]) {
    const told = await problems(t, yaml);
    t.equal(told.length, 1, `${yaml}${told.join('\n')}`);
  }
  // What an unknown one in the environment was meant as.
  t.match(await problems(t, 'listen: 0.0.0.0:7000\n', { OWL_ACCES: 'required' }), [
    /^OWL_ACCES is no setting; did you mean OWL_ACCESS\?$/,
  ]);
});

t.test('one certificate hides no other, and each is told with its place', async (t) => {
  const bad = `${TLS}/node.key`;
  t.match(await problems(t, `tls:\n  cert: no.pem\n  key: ${TLS}/node.key\n  client_ca: ${bad}\n`), [
    /^owl\.yaml:2:3 tls\.cert: .*no\.pem can't be read/,
    /^owl\.yaml:4:3 tls\.client_ca: .* holds no certificate as PEM/,
  ]);
  t.match(
    await problems(t, `tls:\n  cert: ${TLS}/expired.pem\n  key: ${TLS}/expired.key\n  client_ca: ${bad}\n`),
    [
      /^owl\.yaml:2:3 tls\.cert: .* has expired/,
      /^owl\.yaml:4:3 tls\.client_ca: .* holds no certificate as PEM/,
    ],
  );
  t.match(await problems(t, 'tls: { cert: no.pem }\n'), [
    /^owl\.yaml:1:8 tls\.cert: .* can't be read/,
    /^owl\.yaml:1:8 tls\.cert and tls\.key go together/,
  ]);
  const goTogether = (place: string) =>
    new RegExp(`^${place} tls\\.client_ca: tls\\.cert and tls\\.key go together`);
  const ca = `${TLS}/farm-ca.pem`;
  t.match(await problems(t, `tls:\n  client_ca: ${ca}\n`), [goTogether('owl\\.yaml:2:3')]);
  t.match(await problems(t, '', { OWL_TLS_CLIENT_CA: ca }), [goTogether('OWL_TLS_CLIENT_CA')]);
});

t.test('a file that is no section has a line', async (t) => {
  t.match(await problems(t, '# first\n- listen: 127.0.0.1:1\n'), [
    /^owl\.yaml:2:1 must hold keys with values/,
  ]);
});

t.test('two servers on one address are told, however it is written', async (t) => {
  const listening = (listen: string, http: string) =>
    problems(t, `listen: "${listen}"\nhttp_listen: "${http}"\naccess: open\n`);
  const one = /^owl\.yaml:2:1 http_listen must be another address than listen/;
  for (const [listen, http] of [
    ['127.0.0.1:7000', '127.0.0.1:7000'],
    ['127.0.0.1:7000', 'localhost:7000'],
    ['LOCALHOST:7000', 'localhost:7000'],
    ['0.0.0.0:7000', '127.0.0.2:7000'],
    ['127.0.0.2:7000', '0.0.0.0:7000'],
    ['[::ffff:127.0.0.1]:7000', '127.0.0.1:7000'],
    ...(hasIPv6()
      ? ([
          ['[::]:7000', '127.0.0.1:7000'],
          ['0.0.0.0:7000', '[::]:7000'],
          ['[::1]:7000', '[0:0:0:0:0:0:0:1]:7000'],
        ] as const)
      : []),
  ] as const)
    t.match(await listening(listen, http), [one], `${listen} ${http}`);
  t.strictSame(await listening('127.0.0.1:7000', '127.0.0.2:7000'), []);
  t.strictSame(await listening('127.0.0.1:0', '127.0.0.1:0'), [], 'two ports that are free');
  t.strictSame(await listening('0.0.0.0:7000', '0.0.0.0:7001'), []);
  if (hasIPv6()) t.strictSame(await listening('0.0.0.0:7000', '[::1]:7000'), []);
});

t.test('an address that this machine does not have is told, and a name that has none', async (t) => {
  const [here] = Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));
  t.strictSame(
    await problems(t, `listen: "${here?.includes(':') ? `[${here}]` : here}:7000"\naccess: open\n`),
    [],
  );
  t.match(await problems(t, 'listen: 198.51.100.7:7000\naccess: open\nhttp_listen: 203.0.113.9:7000\n'), [
    /^owl\.yaml:1:1 listen: can't listen on 198\.51\.100\.7:7000: this machine has no such address; choose another/,
    /^owl\.yaml:3:1 http_listen: can't listen on 203\.0\.113\.9:7000: this machine has no such address/,
  ]);
  // So long that no name server is asked.
  const name = `${'x'.repeat(64)}.invalid`;
  t.match(await problems(t, 'access: open\n', { OWL_LISTEN: `${name}:7000` }), [
    new RegExp(`^OWL_LISTEN listen: can't listen on ${name}:7000: getaddrinfo E[A-Z]+ ${name}`),
  ]);
});

function hasIPv6(): boolean {
  return Object.values(networkInterfaces()).some((all = []) => all.some(({ family }) => family === 'IPv6'));
}
