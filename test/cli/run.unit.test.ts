/** The command line without a talent: help, usage, exit codes, configuration. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import t from 'tap';
import { Output } from '../../src/cli/terminal.js';
import { textWidth } from '../../src/cli/text-width.js';
import { Settings } from '../../src/node/config/config.js';
import { runOwl } from '../../src/run.js';
import { SYSTEMS } from '../../src/systems.js';
import { owl, terminalDouble } from '../support/terminal-double.js';

/** What has to be given, so that something else is wrong. */
const WANTED: Readonly<Record<string, readonly string[]>> = {
  'plot create': ['--cache1', '/c', '--dest-path', '/d'],
  'access add': ['--role', 'reader'],
  'store copy': ['--from', '/a', '--to', '/b'],
  'workload dataset register': ['--storage', '/s'],
  'workload task submit': ['--in', '1', '--out', '/o'],
  'workload task set': ['--rank', '1'],
};

const COMMANDS = [
  ['talent'],
  ['plot', 'create'],
  ['plot', 'stop'],
  ['plot', 'retry'],
  ['plot', 'status'],
  ['plot', 'list'],
  ['plot', 'watch'],
  ['plot', 'history'],
  ['supervisor'],
  ['supervisor', 'run'],
  ['supervisor', 'status'],
  ['supervisor', 'drain'],
  ['supervisor', 'undrain'],
  ['supervisor', 'suspend'],
  ['supervisor', 'resume'],
  ['supervisor', 'list'],
  ['up'],
  ['status'],
  ['node', 'run'],
  ['node', 'status'],
  ['node', 'redrive'],
  ['node', 'rebuild'],
  ['config', 'check'],
  ['access', 'add'],
  ['access', 'list'],
  ['access', 'revoke'],
  ['store', 'copy'],
  ['store', 'check'],
  ['store', 'backup'],
  ['store', 'compact'],
  ['plot', 'logs'],
  ['log-receiver'],
  ['demo'],
  ['workload', 'dataset', 'register'],
  ['workload', 'dataset', 'add'],
  ['workload', 'dataset', 'scan'],
  ['workload', 'dataset', 'close'],
  ['workload', 'dataset', 'list'],
  ['workload', 'dataset', 'show'],
  ['workload', 'dataset', 'files'],
  ['workload', 'dataset', 'verify'],
  ['workload', 'dataset', 'history'],
  ['workload', 'dataset', 'export'],
  ['workload', 'dataset', 'cancel'],
  ['workload', 'dataset', 'gc'],
  ['workload', 'pilot', 'run'],
  ['workload', 'demo'],
  ['workload', 'task', 'submit'],
  ['workload', 'task', 'list'],
  ['workload', 'task', 'show'],
  ['workload', 'task', 'watch'],
  ['workload', 'task', 'history'],
  ['workload', 'task', 'hold'],
  ['workload', 'task', 'release'],
  ['workload', 'task', 'finish'],
  ['workload', 'task', 'retry'],
  ['workload', 'task', 'cancel'],
  ['workload', 'task', 'set'],
  ['workload', 'job', 'list'],
  ['workload', 'job', 'show'],
  ['workload', 'job', 'history'],
  ['workload', 'job', 'logs'],
  ['workload', 'job', 'why'],
  ['workload', 'job', 'cancel'],
  ['workload', 'job', 'retry'],
  ['workload', 'status'],
  ['workload', 'pilot', 'list'],
  ['workload', 'pilot', 'show'],
  ['workload', 'pilot', 'drain'],
  ['workload', 'pilot', 'undrain'],
  ['workload', 'pilot', 'retire'],
];

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

t.test('every command has a help that fits 80 columns and shows examples', async (t) => {
  for (const command of [[], ...COMMANDS]) {
    const { code, stdout, stderr } = await owl([...command, '--help']);
    const name = ['owl', ...command].join(' ');
    t.equal(code, 0, name);
    t.equal(stderr, '', name);
    t.match(stdout, `Usage: ${name}`, name);
    t.match(stdout, /\nExamples:\n {2}\$ owl /, name);
    t.match(stdout, '--server <HOST:PORT>', name);
    t.strictSame(
      stdout.split('\n').filter((line) => textWidth(line) > 80),
      [],
      name,
    );
  }
});

t.test('the help names the exit codes, and every setting with its variable', async (t) => {
  const { stdout } = await owl(['--help']);
  for (const code of ['0', '1', '2', '3', '130']) t.match(stdout, new RegExp(`^  ${code} +\\w`, 'm'), code);
  const talent = (await owl(['talent', '--help'])).stdout;
  const supervisor = (await owl(['supervisor', 'run', '--help'])).stdout;
  const node = (await owl(['node', 'run', '--help'])).stdout;
  const config = (await owl(['config', 'check', '--help'])).stdout;
  for (const { key, path, flag, variable } of new Settings(SYSTEMS).keys) {
    const service = { supervisor, systems: node }[path[0] ?? ''] ?? talent;
    // No command runs workloads alone.
    if (path[0] !== 'workload') {
      t.match(service.replaceAll(/\s+/g, ' '), `(env: ${variable}`, key);
      t.match(service, ` ${flag} <`, key);
    }
    t.match(config, new RegExp(`  ${key}\\s+${variable} \\(default: `), key);
  }
});

t.test('what a supervisor can be told is told in its own words', async (t) => {
  const { stdout } = await owl(['supervisor', 'run', '--help']);
  const [, settings = ''] = /Options:\n([\s\S]*?)\n\n/.exec(stdout) ?? [];
  t.match(settings, '--log-level');
  for (const wrong of [/talent keeps;/, /talent logs/]) t.notMatch(settings.replaceAll(/\s+/g, ' '), wrong);
});

t.test('the version is that of the package', async (t) => {
  const { code, stdout } = await owl(['--version']);
  t.equal(code, 0);
  t.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

t.test('wrong usage ends with 2, says what is wrong and what was meant, and prints no result', async (t) => {
  const wrong: [args: string[], message: RegExp][] = [
    [[], /^Usage: owl /],
    [['plot'], /^Usage: owl plot /],
    [['plto'], /^owl: there is no command `owl plto`; did you mean `owl plot`\?$/m],
    [['help', 'plto'], /^owl: there is no command `owl plto`; did you mean `owl plot`\?$/m],
    [['plot', 'lsit'], /^owl: there is no command `owl plot lsit`; did you mean `owl plot list`\?$/m],
    [
      ['watch'],
      /there is no command `owl watch`; did you mean `owl plot watch` or `owl workload task watch`\?$/m,
    ],
    [['drain', 'task_1'], /did you mean `owl supervisor drain` or `owl workload pilot drain`\?$/m],
    [
      ['supervisor', 'logs'],
      /no command `owl supervisor logs`; did you mean `owl plot logs` or `owl workload job logs`\?$/m,
    ],
    [['xyz'], /^owl: there is no command `owl xyz`; there are .*plot, .*store, config, /m],
    [
      ['plot', 'list', '--stauts', 'failed'],
      /^owl: `owl plot list` takes no --stauts; did you mean --status\?$/m,
    ],
    [['plot', 'list', '--status', 'runing'], /^owl: --status: "runing" is none of received, pending/m],
    [['plot', 'list', '--status'], /^owl: --status wants a value: --status <STATUS>$/m],
    [
      ['plot', 'list', '--limit', '0'],
      /^owl: --limit must be a whole number from 1 to 1000000000, not "0"$/m,
    ],
    [['plot', 'list', '--since', 'soon'], /^owl: --since must be a time like 2h, .*, not "soon"$/m],
    [['plot', 'list', 'extra'], /^owl: `owl plot list` takes no argument, and "extra" is one$/m],
    [['plot', 'stop', 'a', 'b'], /^owl: `owl plot stop` takes no argument behind ID, and "b" is one$/m],
    [['plot', 'stop'], /^owl: ID is missing\n`owl plot stop --help` says how it is meant\n$/],
    [['plot', 'stop', ''], /^owl: an id, or the beginning of one, must not be empty$/m],
    [['plot', 'create', '--dest-path', '/d'], /^owl: --cache1 <DIR> is missing$/m],
    [['plot', 'create', '--cache1', '/c', '--dest-path', '/d', '--ksize', 'big'], /must be a whole number/],
    [
      ['plot', 'status', 'task_1', '--status', 'failed'],
      /^owl: give an id or --status, not both\n`owl plot status --help`/,
    ],
    [['access', 'revoke', '-'], /^owl: NAME must be 1 to 64 letters, .*, not "-"$/m],
    [
      ['plot', 'list', '--server', 'nowhere'],
      /--server: must be HOST:PORT or \[IPv6\]:PORT .*, not "nowhere"/,
    ],
    [['plot', 'list', '--server', 'x:0'], /--server: must be HOST:PORT/],
    [['talent', '--listen', 'nowhere'], /--listen: listen must be HOST:PORT/],
    [['up', '--listen', 'nowhere'], /--listen: listen must be HOST:PORT/],
    [
      ['supervisor', 'statsu'],
      /no command `owl supervisor statsu`; did you mean `owl supervisor status`\?$/m,
    ],
    [
      ['supervisor', 'xyz', '--data', '/d'],
      /no command `owl supervisor xyz`; there are run, status, drain, /,
    ],
    [['supervisor', '--supervisor-max-plotz', '3'], /; did you mean --supervisor-max-plots\?/],
    [['supervisor', '--data', '/d', 'status'], /`owl supervisor run` takes no argument, and "status" is one/],
    [['supervisor', '--supervisor-max-plots', '0'], /supervisor\.max_plots must be a whole number from 1/],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await owl(args);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, message, args.join(' '));
    t.equal(stdout, '', args.join(' '));
  }
});

t.test('every command tells wrong usage in the same words, and where to read on', async (t) => {
  for (const command of COMMANDS) {
    const { code, stdout, stderr } = await owl([
      ...command,
      ...(WANTED[command.join(' ')] ?? []),
      '--no-such-option',
    ]);
    const [first = '', second = '', ...more] = stderr.split('\n');
    const name = ['owl', ...(command.join() === 'supervisor' ? ['supervisor', 'run'] : command)].join(' ');
    t.match({ code, stdout, more }, { code: 2, stdout: '', more: [''] }, name);
    t.equal(first.replace(/; did you mean .*$/, ''), `owl: \`${name}\` takes no --no-such-option`);
    t.equal(second, `\`${name} --help\` says how it is meant`);
  }
});

t.test('what environment and file say wrongly is a failure, not wrong usage', async (t) => {
  const cwd = t.testdir({ 'owl.yaml': 'listen: nowhere\n' });
  const wrong: [message: RegExp, env: Record<string, string>, cwd: string][] = [
    [/^owl: OWL_SERVER: must be HOST:PORT/, { OWL_SERVER: 'nowhere' }, '/'],
    [/^owl: OWL_LISTEN: listen must be HOST:PORT/, { OWL_LISTEN: 'nowhere' }, '/'],
    [/^owl: owl\.yaml:1:1: listen must be HOST:PORT/, {}, cwd],
  ];
  for (const [message, env, cwd] of wrong) {
    const { code, stderr } = await owl(['plot', 'list'], { env, cwd });
    t.equal(code, 1, String(message));
    t.match(stderr, message);
  }
});

t.test(
  'with nobody listening every command that needs a talent ends with 3 and says what to do',
  async (t) => {
    const server = `127.0.0.1:${await closedPort()}`;
    const commands = [
      ['plot', 'create', '--cache1', '/c', '--dest-path', '/d'],
      ['plot', 'stop', 'x'],
      ['plot', 'retry', 'x'],
      ['plot', 'status'],
      ['plot', 'status', 'x'],
      ['plot', 'list'],
      ['plot', 'list', '--json'],
      ['plot', 'watch'],
      ['plot', 'history', 'x'],
      ['supervisor', 'list'],
      ['status'],
      ['node', 'status'],
      ['node', 'redrive', 'plot_tasks'],
      ['node', 'rebuild', 'plot_tasks'],
    ];
    for (const command of commands) {
      const { code, stdout, stderr } = await owl([...command, '--server', server]);
      t.equal(code, 3, command.join(' '));
      // What is asked of any node is none of one system.
      const [noun, start] = ['plot', 'supervisor'].includes(command[0] ?? '')
        ? ['talent', 'owl talent --data DIR']
        : ['node', 'owl up'];
      t.equal(
        stderr,
        `owl: no ${noun} answers at ${server}: start one with \`${start}\`, or name another with --server\n`,
      );
      t.equal(stdout, '');
    }
  },
);

t.test('the talent is the one of --server, else of OWL_SERVER, else of the configuration', async (t) => {
  const port = await closedPort();
  const cwd = t.testdir({ 'owl.yaml': `listen: 0.0.0.0:${port}\n`, 'any.yaml': 'listen: "[::]:0"\n' });
  const asked = async (args: string[], env = {}) =>
    (await owl(['plot', 'list', ...args], { cwd, env })).stderr;
  t.match(
    await asked([]),
    `no talent answers at 127.0.0.1:${port}:`,
    'all interfaces are reached at this one',
  );
  t.match(await asked([], { OWL_SERVER: `localhost:${port}` }), `no talent answers at localhost:${port}:`);
  t.match(await asked(['--server', `127.0.0.2:${port}`], { OWL_SERVER: 'x:1' }), `at 127.0.0.2:${port}:`);
  t.match(await asked(['--config', 'any.yaml']), 'any.yaml:1:1: listen is [::]:0, which takes any free port');
});

t.test('a name without an address is told from a talent that is not there', async (t) => {
  const { code, stderr } = await owl(['plot', 'list', '--server', 'no-such-host.invalid:1']);
  t.equal(code, 3);
  t.match(stderr, 'no talent answers at no-such-host.invalid:1 (this name has no address): ');
});

t.test('what is interrupted before it is done ends with 130', async (t) => {
  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const terminal = terminalDouble();
    terminal.interrupt(signal);
    t.equal(await runOwl(['plot', 'list', '--server', '127.0.0.1:1'], terminal), expected);
    t.equal(terminal.stderr(), '');
  }
});

t.test('a result that can not be written is a failure, and a reader that has gone is none', async (t) => {
  const runInto = async (code: string) => {
    const broken = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('broken'), { code })),
    });
    const terminal = terminalDouble({ cwd: t.testdir(), env: { OWL_SUPERVISOR_PLOTTER: 'player' } });
    const exitCode = await runOwl(['config', 'check'], { ...terminal, out: new Output(broken, {}) });
    return [exitCode, terminal.stderr()];
  };
  t.strictSame(await runInto('ENOSPC'), [1, "owl: the result can't be written: broken\n"]);
  t.strictSame(await runInto('EPIPE'), [0, '']);
});

t.test('config check shows the effective values and where they come from', async (t) => {
  const cwd = t.testdir({ 'owl.yaml': 'data: store\nlog: { level: debug }\n' });
  const { code, stdout, stderr } = await owl(['config', 'check'], { cwd, env: { OWL_LISTEN: '[::1]:7' } });
  t.equal(code, 0);
  t.equal(
    stderr,
    'note: default: supervisor.plotter is chia, and its program chia is in no directory of PATH; install it\n',
  );
  t.match(stdout, /^owl\.yaml is ok\n/);
  t.match(stdout, /^listen +\[::1\]:7 +OWL_LISTEN$/m);
  t.match(stdout, /^log\.level +debug +owl\.yaml:2:8$/m);
  t.match(stdout, /^worker_id +- +default$/m);

  const json: unknown = JSON.parse((await owl(['config', 'check', '--json', join(cwd, 'owl.yaml')])).stdout);
  t.match(json, {
    ok: true,
    config: { data: join(cwd, 'store'), log: { level: 'debug' } },
    origins: { listen: 'default', data: `${join(cwd, 'owl.yaml')}:1:1` },
  });
});

t.test('config check tells all problems at once and ends with 1', async (t) => {
  const cwd = t.testdir({ 'bad.yaml': 'lisen: x\nstore: none\n' });
  const { code, stdout, stderr } = await owl(['config', 'check', 'bad.yaml'], { cwd });
  t.equal(code, 1);
  t.equal(stdout, '');
  t.equal(
    stderr,
    'owl: the configuration has 2 problems:\n' +
      '  bad.yaml:1:1: lisen is not a known key; did you mean listen? (value: "x")\n' +
      '  bad.yaml:2:1: store must be embedded, or esdb://… or esdb+discover://… for EventStoreDB, not "none"\n',
  );
  const asJson = await owl(['config', 'check', 'bad.yaml', '--json'], { cwd });
  t.equal(asJson.code, 1);
  t.match(JSON.parse(asJson.stdout), {
    ok: false,
    problems: [{ place: 'bad.yaml:1:1', key: 'lisen' }, { key: 'store' }],
  });
});

t.test('talent with a wrong setting starts nothing, and is told all that is wrong', async (t) => {
  const cwd = t.testdir();
  const { code, stderr } = await owl(['talent', '--listen', 'nowhere', '--limits-mailbox', '0'], { cwd });
  t.equal(code, 2);
  t.match(stderr, /^ {2}--limits-mailbox: limits\.mailbox must be a whole number from 1 to 1000000, not 0$/m);
  t.match(stderr, /^ {2}--listen: listen must be HOST:PORT/m);
});
