/** The configuration: where values come from, which are refused and how that is said, and that the documentation is true. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../../../src/base/package-root.js';
import { type ConfigSources, Settings } from '../../../src/node/config/config.js';
import { ConfigError } from '../../../src/node/config/config-problems.js';
import { configSection } from '../../../src/node/config/config-section.js';
import { DEFAULT_ACTOR_LIMITS } from '../../../src/runtime/actors/actor-system.js';
import { talentSection } from '../../../src/systems/talent/config.js';
import { talent } from '../../../src/systems/talent/system.js';
import { SYSTEMS } from '../../../src/systems.js';

const settings = new Settings(SYSTEMS);

/** What comes out, of the node and of talent. */
function loadConfig(sources: ConfigSources) {
  const loaded = settings.load(sources);
  return { ...loaded, config: { ...loaded.config, ...loaded.of(talentSection) }, loaded };
}

/** The lines of the ConfigError that loading must end with, one for each problem. */
function problems(sources: ConfigSources, from = settings): string[] {
  try {
    from.load(sources);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = error.message.split('\n').map((line) => line.trim());
    return error.problems.length > 1 ? lines.slice(1) : lines;
  }
  throw new Error('the configuration was accepted');
}

t.test('without file and environment the defaults count', async (t) => {
  const cwd = t.testdir();
  const { config, file, origins } = loadConfig({ env: {}, cwd });
  t.strictSame(config, {
    listen: '127.0.0.1:50051',
    tls: {},
    data: join(cwd, 'data'),
    store: 'embedded',
    systems: ['talent'],
    log: { level: 'info', format: 'json' },
    leases: { default_seconds: 30, give_up_seconds: 600 },
    limits: {
      mailbox: DEFAULT_ACTOR_LIMITS.mailbox,
      live_actors: DEFAULT_ACTOR_LIMITS.liveActors,
      recoveries: DEFAULT_ACTOR_LIMITS.recoveries,
    },
    supervisor: {
      plotter: 'chia',
      compression: 0,
      max_plots: 4,
      max_per_cache: 4,
      stagger_seconds: 0,
      grace_seconds: 30,
      keep_logs_days: 90,
      quiet_seconds: 21_600,
    },
    plotters: {},
  });
  t.equal(file, undefined);
  t.ok(settings.keys.every(({ key }) => origins.get(key) === 'default'));
});

t.test('command line over environment over file over default', async (t) => {
  const cwd = t.testdir({
    'owl.yaml': 'listen: file:1\nworker_id: file\nlog: { level: warn }\nleases:\n  default_seconds: 5\n',
  });
  const env = { OWL_LISTEN: 'env:2', OWL_WORKER_ID: 'env', OWL_LEASES_GIVE_UP_SECONDS: '7', PATH: '/bin' };
  const { config, file, origins } = loadConfig({ env, cwd, flags: { listen: 'flag:3' } });
  t.equal(file, 'owl.yaml');
  t.equal(config.listen, 'flag:3');
  t.equal(config.worker_id, 'env');
  t.equal(config.log.level, 'warn');
  t.strictSame(config.leases, { default_seconds: 5, give_up_seconds: 7 });
  t.strictSame(
    [
      ...['listen', 'data', 'worker_id', 'store', 'store_credentials_file', 'log.level'],
      ...['leases.default_seconds', 'leases.give_up_seconds'],
    ].map((key) => origins.get(key)),
    [
      '--listen',
      'default',
      'OWL_WORKER_ID',
      'default',
      'default',
      'owl.yaml:3:8',
      'owl.yaml:5:3',
      'OWL_LEASES_GIVE_UP_SECONDS',
    ],
  );
});

t.test('the file is the one that is named, and must then exist', async (t) => {
  const cwd = t.testdir({ 'owl.yaml': 'worker_id: usual', 'other.yaml': 'worker_id: other', folder: {} });
  const workerOf = (sources: Partial<ConfigSources>) =>
    loadConfig({ env: {}, cwd, ...sources }).config.worker_id;
  t.equal(workerOf({}), 'usual');
  t.equal(workerOf({ env: { OWL_CONFIG: 'other.yaml' } }), 'other');
  t.equal(workerOf({ env: { OWL_CONFIG: '' } }), 'usual', 'an empty variable names nothing');
  t.equal(workerOf({ file: join(cwd, 'owl.yaml'), env: { OWL_CONFIG: 'other.yaml' } }), 'usual');
  t.strictSame(problems({ file: 'none.yaml', env: {}, cwd }), ['none.yaml: there is no such file']);
  t.strictSame(problems({ env: { OWL_CONFIG: 'folder' }, cwd }), ['folder: is a directory, not a file']);
});

t.test(
  'data is absolute: from the directory of the file that says so, otherwise from the working directory',
  async (t) => {
    const cwd = t.testdir({ etc: { 'owl.yaml': 'data: store' } });
    const dataOf = (sources: Partial<ConfigSources>) => loadConfig({ env: {}, cwd, ...sources }).config.data;
    t.equal(dataOf({ file: 'etc/owl.yaml' }), join(cwd, 'etc/store'));
    t.equal(dataOf({ file: 'etc/owl.yaml', env: { OWL_DATA: 'store' } }), join(cwd, 'store'));
    t.equal(dataOf({ file: 'etc/owl.yaml', flags: { data: '../store' } }), join(cwd, '../store'));
    t.equal(dataOf({ flags: { data: '/var/lib/owl' } }), '/var/lib/owl');
  },
);

t.test('a key without a value counts as not given', async (t) => {
  const cwd = t.testdir({ 'owl.yaml': 'listen:\nlog:\nleases:\n  default_seconds:\n' });
  const { config, origins } = loadConfig({ env: { OWL_DATA: '' }, cwd });
  t.equal(config.listen, '127.0.0.1:50051');
  t.equal(config.leases.default_seconds, 30);
  t.equal(origins.get('data'), 'default');
  t.strictSame(
    loadConfig({ env: {}, cwd: t.testdir({ 'owl.yaml': '# nothing\n' }) }).config.listen,
    '127.0.0.1:50051',
  );
});

t.test('unknown keys are refused by name, with the one that was meant', async (t) => {
  const cwd = t.testdir({
    'owl.yaml': [
      'lisen: 127.0.0.1:1',
      'level: info',
      'logg: { level: info }',
      'log:',
      '  levle: info',
      'colour: red',
      '__proto__: 1',
      'constructor:',
    ].join('\n'),
  });
  t.strictSame(problems({ env: {}, cwd }), [
    'owl.yaml:1:1: lisen is not a known key; did you mean listen? (value: "127.0.0.1:1")',
    'owl.yaml:2:1: level is not a known key; did you mean log.level? (value: "info")',
    'owl.yaml:3:1: logg is not a known key; did you mean log? (value: {"level":"info"})',
    'owl.yaml:5:3: log.levle is not a known key; did you mean log.level? (value: "info")',
    'owl.yaml:6:1: colour is not a known key (value: "red")',
    'owl.yaml:7:1: __proto__ is not a known key (value: 1)',
    'owl.yaml:8:1: constructor is not a known key (value: null)',
  ]);
});

t.test('a slip in one of our variables is refused, other variables are left alone', async (t) => {
  const cwd = t.testdir();
  t.strictSame(problems({ env: { OWL_LSITEN: 'x:1' }, cwd }), [
    'OWL_LSITEN: is no setting; did you mean OWL_LISTEN? (value: "x:1")',
  ]);
  t.ok(loadConfig({ env: { OWL_TEST_EVENTSTORE: 'esdb://x', OWLET: '1', OWL_SERVER: 'x:1' }, cwd }));
});

t.test('every problem of every source is told at once, with place, key, rule and value', async (t) => {
  const cwd = t.testdir({
    'owl.yaml': 'leases:\n  default_seconds: 0\n  give_up_seconds: 1.5\nlog: loud\nworker_id: 7\n',
  });
  const env = { OWL_LIMITS_MAILBOX: 'many', OWL_LISTEN: '::1:50051' };
  t.strictSame(problems({ env, cwd, flags: { 'log.level': 'loud' } }), [
    '--log-level: log.level must be one of trace, debug, info, warn, error, fatal, silent, not "loud"',
    'OWL_LIMITS_MAILBOX: limits.mailbox must be a whole number from 1 to 1000000, not "many"',
    'OWL_LISTEN: listen must be HOST:PORT or [IPv6]:PORT with a port from 0 to 65535 (0 takes any free one), not "::1:50051"',
    'owl.yaml:2:3: leases.default_seconds must be a whole number from 1 to 3600, not 0',
    'owl.yaml:3:3: leases.give_up_seconds must be a whole number from 1 to 604800, not 1.5',
    'owl.yaml:4:1: log must be a section with keys of its own (level, format), not "loud"',
    'owl.yaml:5:1: worker_id must be 1 to 64 letters, digits, dots, colons, dashes or underscores, and begin with a letter or digit, not 7; quote it',
  ]);
});

t.test('a value that is overridden is checked all the same', async (t) => {
  const cwd = t.testdir({ 'owl.yaml': 'listen: nowhere\n' });
  t.match(problems({ env: { OWL_LISTEN: '127.0.0.1:1' }, cwd }), [/^owl\.yaml:1:1: listen must be /]);
});

t.test('the store is the embedded one or EventStoreDB, and what is wrong shows no password', async (t) => {
  const cwd = t.testdir({ etc: { 'owl.yaml': 'store_credentials_file: secret\n' } });
  const storeOf = (OWL_STORE: string) => loadConfig({ env: { OWL_STORE }, cwd }).config.store;
  for (const store of [
    'embedded',
    'esdb://localhost:2113?tls=false',
    'esdb+discover://fleet.example',
    'esdb://user:pass%40word@a,b:1',
  ])
    t.equal(storeOf(store), store);
  t.equal(
    loadConfig({ env: {}, cwd, file: 'etc/owl.yaml' }).config.store_credentials_file,
    join(cwd, 'etc/secret'),
  );
  t.match(problems({ env: { OWL_STORE: 'postgres' }, cwd }), [
    'OWL_STORE: store must be embedded, or esdb://… or esdb+discover://… for EventStoreDB, not "postgres"',
  ]);
  for (const [wrong, why] of [
    ['esdb://root:hunt/er2@node.example:2113?tls=true', /percent-encoded/],
    ['esdb:root:hunter2@node.example', /must be esdb:\/\//],
    ['esdb://root:hunt er"2@node.example?tls=perhaps', /tls must be true or false/],
    ['esdbb://root:hunter2@node.example', /must be embedded/],
  ] as const) {
    const [line = ''] = problems({ env: { OWL_STORE: wrong }, cwd });
    t.match(line, why);
    t.notMatch(line, /root|hunt|er2/, line);
    t.match(line, /node\.example/, 'the rest is shown');
  }
});

t.test('an effective configuration is shown without its password', async (t) => {
  const store = 'esdb://admin:secret@node.example:2113';
  const { loaded } = loadConfig({ env: { OWL_STORE: store }, cwd: t.testdir() });
  t.equal(loaded.config.store, store);
  const shown = settings.values(loaded).find(([key]) => key === 'store')?.[1];
  t.strictSame(shown, 'esdb://***@node.example:2113');
  t.notMatch(JSON.stringify(loaded.shown), /admin|secret/);
});

t.test('credentials of the store are refused on the command line alone', async (t) => {
  const cwd = t.testdir();
  const told = problems({ env: {}, cwd, flags: { store: 'esdb://admin:secret@node.example:2113' } });
  t.match(told, [/^--store: store must name no user and password on .*\(store_credentials_file\)$/]);
  t.equal(told.length, 1);
  t.notMatch(told[0], /admin|secret/);
  const plain = 'esdb://node.example:2113?connectionName=owl@1';
  t.equal(loadConfig({ env: {}, cwd, flags: { store: plain } }).config.store, plain);
});

t.test('systems are a list in the file, and have commas between elsewhere', async (t) => {
  const other = { ...talent, name: 'graphs', config: configSection(z.strictObject({})) };
  const two = new Settings([talent, other]);
  const cwd = t.testdir({
    'owl.yaml': 'systems: [graphs, talent]\n',
    'text.yaml': 'systems: talent\n',
    'none.yaml': 'systems: []\n',
    'twice.yaml': 'systems: [talent, talent]\n',
  });
  const systemsOf = (sources: Partial<ConfigSources>) =>
    two.load({ env: {}, cwd, ...sources }).config.systems;
  t.strictSame(systemsOf({}), ['graphs', 'talent']);
  t.strictSame(systemsOf({ env: { OWL_SYSTEMS: 'talent, graphs' } }), ['talent', 'graphs']);
  t.strictSame(systemsOf({ flags: { systems: 'graphs' } }), ['graphs']);
  t.strictSame(systemsOf({ cwd: t.testdirName, env: { OWL_SYSTEMS: '' } }), ['graphs', 'talent']);

  const refused = (sources: Partial<ConfigSources>) => problems({ env: {}, cwd, ...sources }, two);
  t.strictSame(refused({ flags: { systems: 'talent,grpahs' } }), [
    '--systems: systems must hold systems that there are (talent, graphs), and there is no "grpahs"; did you mean graphs?, not ["talent","grpahs"]',
  ]);
  t.match(refused({ env: { OWL_SYSTEMS: 'zzz' } }), [/there are \(talent, graphs\), and there is no "zzz"/]);
  const rule = 'must be a list of systems, each once and at least one (there are talent, graphs)';
  t.strictSame(refused({ file: 'text.yaml' }), [`text.yaml:1:1: systems ${rule}, not "talent"`]);
  t.strictSame(refused({ file: 'none.yaml' }), [`none.yaml:1:1: systems ${rule}, not []`]);
  t.strictSame(refused({ file: 'twice.yaml' }), [`twice.yaml:1:1: systems ${rule}, not ["talent","talent"]`]);
});

t.test('listen takes names, IPv4 and bracketed IPv6, and nothing else', async (t) => {
  const cwd = t.testdir();
  for (const listen of [
    '127.0.0.1:0',
    '0.0.0.0:65535',
    'localhost:1',
    'node-1.farm:50051',
    '[::1]:0',
    '[::]:50051',
  ]) {
    t.equal(loadConfig({ env: { OWL_LISTEN: listen }, cwd }).config.listen, listen);
  }
  const wrong = [
    ':1',
    'a',
    'a:',
    'a:b',
    'a:65536',
    'a:-1',
    '300.1.1.1:1',
    '::1:1',
    '[a]:1',
    '[::1]',
    'a b:1',
    'http://a:1',
    '-a:1',
  ];
  for (const listen of wrong)
    t.match(problems({ env: { OWL_LISTEN: listen }, cwd }), [/^OWL_LISTEN: listen must be /], listen);
});

t.test('plotters are declared in the file, by name, and wrong ones are told with their place', async (t) => {
  const cwd = t.testdir({
    'owl.yaml':
      'plotters:\n  mine:\n    argv: [mine, "-k", "{ksize}", ["-f", "{fpk}"]]\n    format: chiapos\n',
    'wrong.yaml': 'plotters:\n  mine:\n    argv: mine -k 32\n    fromat: chiapos\n  Yours: {}\n',
    'none.yaml': 'plotters:\n',
  });
  t.strictSame(loadConfig({ env: {}, cwd }).config.plotters, {
    mine: {
      argv: ['mine', '-k', '{ksize}', ['-f', '{fpk}']],
      format: 'chiapos',
      temp: [],
      fills: ['cache', 'dest'],
      environment: [],
    },
  });
  t.strictSame(loadConfig({ env: {}, cwd, file: 'none.yaml' }).config.plotters, {});
  t.match(problems({ env: {}, cwd, file: 'wrong.yaml' }), [
    /^wrong\.yaml:2:3: plotters\.mine\.format must name the format .*bladebit$/,
    /^wrong\.yaml:3:5: plotters\.mine\.argv must be a list/,
    /^wrong\.yaml:4:5: plotters\.mine\.fromat is not a known key/,
    /^wrong\.yaml:5:3: plotters\.Yours must be 1 to 32 small letters/,
  ]);
});

t.test('what stands in a list is text as it is written; what can be none is refused', async (t) => {
  const cwd = t.testdir({
    'owl.yaml': `plotters:
  mine:
    argv: [mine, -2, "{cache2}", 1e3, 0x10, -0.50, true, 2026-03-09, [-k, 32]]
    format: chia
    temp:
`,
    'alias.yaml': 'supervisor: { max_plots: &k 3 }\nplotters: { a: { argv: [a, *k], format: chia } }\n',
    'wrong.yaml': `plotters:
  mine:
    argv: [mine, ~, [~], {a: 1}, "{ksiez}", [-k, "{kszie}"]]
    format: chiapso
    temp: ["{plot_id}.plot"]
    environment: ["A B"]
  other:
    argv: [[other]]
    format: chia
http_hosts: [1]
worker_id: true
`,
    'shared.yaml': 'plotters:\n  mine: { argv: [a], format: chia,\n    temp: [t1_0.tmp] }\n',
  });
  const { plotters } = loadConfig({ env: {}, cwd }).config;
  t.strictSame(plotters['mine']?.argv, [
    ...['mine', '-2', '{cache2}', '1e3', '0x10', '-0.50', 'true', '2026-03-09'],
    ['-k', '32'],
  ]);
  const aliased = loadConfig({ env: {}, cwd, file: 'alias.yaml' }).config;
  t.strictSame([aliased.plotters['a']?.argv, aliased.supervisor.max_plots], [['a', '3'], 3]);
  t.match(problems({ env: {}, cwd, file: 'wrong.yaml' }), [
    /^wrong\.yaml:3:18: plotters\.mine\.argv\.1 must be text \(quote it\), .*, not null$/,
    /^wrong\.yaml:3:21: plotters\.mine\.argv\.2 must be text \(quote it\), .*, not \[null\]$/,
    /^wrong\.yaml:3:26: plotters\.mine\.argv\.3 must be text \(quote it\), .*, not \{"a":1\}$/,
    /^wrong\.yaml:3:34: plotters\.mine\.argv\.4 \{ksiez\} is no placeholder; there are task_id, /,
    /^wrong\.yaml:3:50: plotters\.mine\.argv\.5\.1 \{kszie\} is no placeholder/,
    /^wrong\.yaml:4:5: plotters\.mine\.format must name the format .*bladebit, not "chiapso"$/,
    /^wrong\.yaml:5:12: plotters\.mine\.temp\.0 temp pattern .* must be a file name with \{plot_id\}/,
    /^wrong\.yaml:6:19: plotters\.mine\.environment\.0 environment "A B" must be the name of a variable/,
    /^wrong\.yaml:8:5: plotters\.other\.argv must begin with the program/,
    /^wrong\.yaml:10:14: http_hosts\.0 must be a list of names.*, not "1"$/,
    /^wrong\.yaml:11:1: worker_id must be 1 to 64 letters.*, not true; quote it$/,
  ]);
  t.match(problems({ env: {}, cwd, file: 'shared.yaml' }), [
    /^shared\.yaml:3:12: plotters\.mine\.temp\.0 temp pattern "t1_0\.tmp" has no \{plot_id\}, .* max_per_cache: 1/,
  ]);
});

t.test('no two keys share a variable or a flag', async (t) => {
  for (const name of ['variable', 'flag'] as const) {
    t.equal(new Set(settings.keys.map((key) => key[name])).size, settings.keys.length);
  }
});

t.test('docs/configuration.md lists every key as it is, and its example is the defaults', async (t) => {
  const doc = readFileSync(join(PACKAGE_ROOT, 'docs/configuration.md'), 'utf8');
  const rows = doc.split('\n').filter((line) => /^\| `/.test(line));
  const expected = settings.keys.map(({ key, variable, fallback, meaning, rule }) => {
    const shown = fallback === undefined ? 'none' : `\`${fallback}\``;
    return `| \`${key}\` | \`${variable}\` | ${shown} | ${meaning} | ${rule} |`;
  });
  t.strictSame(rows, expected);

  const example = /```yaml\n([\s\S]*?)```/.exec(doc)?.[1] ?? '';
  for (const { path } of settings.keys)
    t.match(example, new RegExp(`^ *(# )?${path.at(-1)}:`, 'm'), path.join('.'));
  const cwd = t.testdir({ 'owl.yaml': example });
  const loaded = loadConfig({ env: {}, cwd });
  t.strictSame(settings.values(loaded), settings.values(loadConfig({ env: {}, cwd, file: '/dev/null' })));
  t.match(loaded.origins.get('limits.recoveries'), /^owl\.yaml:\d+:3$/, 'the example really says it');
});
