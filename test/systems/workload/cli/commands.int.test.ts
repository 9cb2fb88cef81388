/** `owl workload` against a node, without a pilot: orders and looks, refusals with their reasons and exit codes, logs that are not there. */

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runOwl } from '../../../../src/run.js';
import { owl, terminalDouble } from '../../../support/terminal-double.js';
import { until } from '../../../support/until.js';
import { startWorkload } from '../support/cli-workload.js';

const LOST = /no dataset|no task|no job|no pilot/;

async function setUp(t: Test) {
  const cwd = t.testdir({ texts: { 'a.txt': 'one\n', 'b.txt': 'two\n' } });
  const node = await startWorkload(t, cwd);
  const env = { OWL_SERVER: node.address, OWL_DATA: node.data };
  const run = (...args: string[]) => owl(['workload', ...args], { env, cwd });
  /** The first line of what it prints; it must do what it was asked to. */
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    if (code !== 0) throw new Error(`owl workload ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout.trimEnd();
  };
  return { env, cwd, run, ok };
}

t.test('a dataset from its registration to copies of its files', async (t) => {
  const { cwd, run, ok } = await setUp(t);
  t.match(await run('dataset', 'list'), {
    code: 0,
    stdout: '',
    stderr: /there is no dataset yet; register one with/,
  });
  const uid = await ok('dataset', 'register', 'texts', '--storage', 'texts');
  t.match(uid, /^[0-9a-f-]{36}$/);
  t.equal(await ok('dataset', 'scan', '1'), '2 files added, 2 in all');
  writeFileSync(join(cwd, 'texts', 'c.txt'), 'three\n');
  writeFileSync(join(cwd, 'list'), '{"file_name":"c.txt","size":6}\n');
  t.equal(await ok('dataset', 'add', uid.slice(0, 8), '--from', 'list'), '1 file added, 3 in all');
  t.match(await run('dataset', 'add', '1', 'c.txt'), { code: 1, stderr: /^owl: .*c\.txt/ });
  t.match(await run('dataset', 'add', '1'), { code: 2, stderr: /give the names of files, or --from/ });
  writeFileSync(join(cwd, 'wrong'), '{"file_name":"d.txt"}\n{"file":"e.txt"}\n');
  t.match(await run('dataset', 'add', '1', '--from', 'wrong'), {
    code: 1,
    stderr: /^owl: wrong:2: file_name: /,
  });
  t.match(await run('dataset', 'add', '1', '--from', 'none'), {
    code: 1,
    stderr: /^owl: none can't be read: /,
  });
  t.match(await ok('dataset', 'close', '1'), new RegExp(`^${uid} (sealed|closed)`));
  await until('it is closed', async () => /closed/.test(await ok('dataset', 'show', '1')));
  t.match(await run('dataset', 'add', '1', 'z.txt'), { code: 1, stderr: /^owl: / });
  t.match(await ok('dataset', 'files', '1'), /^ *0 +a\.txt +available +4 B/m);
  t.match(await ok('dataset', 'history', '1'), /^ *0 .*registered +name texts/m);
  t.match(JSON.parse(await ok('dataset', 'list', '--json')), [
    { uid, status: 'closed', files: 3, complete: true },
  ]);

  t.equal(await ok('dataset', 'export', '1', 'copies'), `3 files, 14 B, in ${join(cwd, 'copies')}`);
  t.equal(readFileSync(join(cwd, 'copies', 'c.txt'), 'utf8'), 'three\n');
  t.equal(
    await ok('dataset', 'export', '1', 'copies'),
    `3 files, 14 B, in ${join(cwd, 'copies')}`,
    'they are there',
  );
  writeFileSync(join(cwd, 'copies', 'a.txt'), 'mine\n');
  writeFileSync(join(cwd, 'texts', 'b.txt'), 'owt\n');
  rmSync(join(cwd, 'copies', 'b.txt'));
  const again = await run('dataset', 'export', '1', 'copies');
  t.match(again, { code: 1, stderr: /^a\.txt: .* is there already, and another file$/m });
  t.match(again.stderr, /^b\.txt: has the MD5 [0-9a-f]{32}, not [0-9a-f]{32}$/m);
  t.match(again.stderr, /^owl: 2 of its files could not be exported$/m);
  t.equal(readFileSync(join(cwd, 'copies', 'a.txt'), 'utf8'), 'mine\n');
  t.match(await run('dataset', 'verify', '1'), { code: 1, stdout: /^3 looked at, 0 missing, 1 corrupt$/m });
});

t.test('an export touches nothing that it has not made, and waits for nothing that has no end', async (t) => {
  const { cwd, ok, run } = await setUp(t);
  for (const name of ['z', 'y.part', 'y']) writeFileSync(join(cwd, 'texts', name), `${name}\n`);
  await ok('dataset', 'register', 'texts', '--storage', 'texts');
  await ok('dataset', 'scan', '1');
  mkdirSync(join(cwd, 'copies'));
  writeFileSync(join(cwd, 'copies', 'z.part'), 'precious\n');
  rmSync(join(cwd, 'texts', 'a.txt'));
  execFileSync('mkfifo', [join(cwd, 'texts', 'a.txt')]);
  const exported = await run('dataset', 'export', '1', 'copies');
  t.match(exported.stderr, /^a\.txt: .* is no regular file$/m);
  const there = readdirSync(join(cwd, 'copies')).toSorted();
  t.strictSame(there, ['b.txt', 'y', 'y.part', 'z', 'z.part']);
  t.equal(readFileSync(join(cwd, 'copies', 'z.part'), 'utf8'), 'precious\n');
  t.equal(readFileSync(join(cwd, 'copies', 'y.part'), 'utf8'), 'y.part\n');
});

t.test('what a terminal would obey is not printed, whatever a file is called', async (t) => {
  const { cwd, ok, run } = await setUp(t);
  writeFileSync(join(cwd, 'texts', '\u001b]0;title\u0007\u001b[31mred\nowl: all is well'), '');
  await ok('dataset', 'register', 'texts', '--storage', 'texts');
  const { stderr } = await run('dataset', 'scan', '1');
  t.match(stderr, /red owl: all is well: its name/);
  t.notOk(stderr.includes('\u001b') || stderr.includes('\u0007'));
});

t.test('who interrupts an export leaves no piece of a file', async (t) => {
  const { env, cwd, ok } = await setUp(t);
  // As large as no disk writes it before anybody is heard; it takes no room, for it has no content.
  const size = 64 * 1024 ** 3;
  writeFileSync(join(cwd, 'texts', 'a-large'), '');
  truncateSync(join(cwd, 'texts', 'a-large'), size);
  const known = { check_sum: '0'.repeat(32), sha256: '0'.repeat(64) };
  writeFileSync(join(cwd, 'list'), `${JSON.stringify({ file_name: 'a-large', size, ...known })}\n`);
  await ok('dataset', 'register', 'texts', '--storage', 'texts');
  await ok('dataset', 'add', '1', '--from', 'list');
  const terminal = terminalDouble({ env, cwd });
  const copies = join(cwd, 'copies');
  const exported = runOwl(['workload', 'dataset', 'export', '1', 'copies'], terminal);
  await until('it is being copied', () => existsSync(copies) && readdirSync(copies).length > 0);
  terminal.interrupt('SIGINT');
  t.equal(await exported, 130);
  t.strictSame(readdirSync(copies), []);
  t.equal(terminal.stdout(), '');
});

t.test('a task that nobody can run waits, says why, and obeys', async (t) => {
  const { env, cwd, run, ok } = await setUp(t);
  await ok('dataset', 'register', 'texts', '--storage', 'texts');
  await ok('dataset', 'scan', '1');
  await ok('dataset', 'close', '1');
  const uid = await ok(
    'task',
    'submit',
    'sort',
    '--in',
    '1',
    '--out',
    'out',
    '--rank',
    '-3',
    '--name',
    'tidy',
  );
  await until('it is split', async () => /of 2 finished/.test(await ok('task', 'show', '1')));
  t.match(await ok('task', 'list'), /^ *1 .*tidy .*0\/2/m);
  t.match(await ok('task', 'list', '--status', 'finished'), /^$/);
  await until('why is said', async () => /pilot/.test(await ok('job', 'why', '1')));
  t.match(await ok('job', 'why', '1'), /^job 1 is (created|queued).*: .*pilot.*\n(.*\n)*its task 1 is /m);
  t.match(await ok('status'), /^cpu +2 jobs waiting, 0 running, no pilot is there$/m);
  t.match(await ok('task', 'hold', uid.slice(0, 8), '--reason', 'lunch'), new RegExp(`^${uid} `));
  t.match(await ok('task', 'show', '1'), /, held$/m);
  await ok('task', 'release', '1');
  t.match(JSON.parse(await ok('task', 'set', '1', '--rank', '7', '--json')), { uid, rank: 7 });
  t.match(await ok('job', 'list', '--task', '1', '--oldest-first'), /^ *1 [\s\S]*^ *2 /m);
  t.match(await run('job', 'logs', '1'), { code: 1, stderr: /^owl: / });
  const terminal = terminalDouble({ env, cwd });
  const following = runOwl(['workload', 'job', 'logs', '1', '-f'], terminal);
  await until('it says why there is none yet', () =>
    /^job 1 is .*; its log follows$/m.test(terminal.stderr()),
  );
  terminal.interrupt('SIGINT');
  t.equal(await following, 130);
  t.match(await ok('dataset', 'show', 'task:1'), /^written by +task /m);
  t.match(await run('task', 'retry', '1'), { code: 1, stderr: /^owl: / });

  const watch = run('task', 'watch', '1', '--until-over');
  await ok('task', 'cancel', '1', '--reason', 'enough');
  t.match(await watch, { code: 1, stdout: /^.* {2}cancelled {2}/m, stderr: /^owl: task 1 is cancelled/ });
  t.match(await ok('task', 'history', '1'), /cancel requested +.*reason enough/);
  await ok('task', 'submit', 'sort', '--in', '1', '--out', 'out');
  await ok('task', 'cancel', '2');
  await until('it is cancelled', async () => /^status +cancelled/m.test(await ok('task', 'show', '2')));
  t.match(await run('task', 'watch', '2', '1', '--until-over'), {
    ...{ code: 1, stderr: /^owl: task 2 is cancelled.* \(and 1 more did not finish\)$/m },
    stdout: /^(?=.*task 1 {2})(?=.*task 2 {2})/s,
  });
});

t.test('what is not there is told so, whatever it is', async (t) => {
  const { env, cwd, run } = await setUp(t);
  for (const args of [
    ['dataset', 'show', '9'],
    ['dataset', 'files', 'task:9'],
    ['dataset', 'export', 'abcdef', 'out'],
    ['task', 'show', '9'],
    ['task', 'cancel', 'abcdef'],
    ['task', 'watch', '9'],
    ['job', 'show', '9'],
    ['job', 'why', '9'],
    ['job', 'logs', '9', '-f'],
    ['pilot', 'show', 'nobody'],
    ['pilot', 'drain', 'nobody'],
  ]) {
    const { code, stdout, stderr } = await run(...args);
    t.equal(code, 1, args.join(' '));
    t.match(stderr, LOST, args.join(' '));
    t.equal(stdout, '', args.join(' '));
  }
  for (const args of [
    ['pilot', 'list'],
    ['task', 'list'],
    ['job', 'list'],
  ]) {
    t.match(await run(...args), { code: 0, stdout: '' });
    t.equal((await run(...args, '--json')).stdout.trim(), '[]');
  }
  const terminal = terminalDouble({ env, cwd });
  const watch = runOwl(['workload', 'task', 'watch'], terminal);
  setTimeout(() => terminal.interrupt('SIGINT'), 100);
  t.equal(await watch, 130);
});

t.test('bad orders name what was wrong, and nothing is stored', async (t) => {
  const { run, ok } = await setUp(t);
  await ok('dataset', 'register', 'texts', '--storage', 'texts');
  const submit = ['task', 'submit', 'sort', '--in', '1', '--out', 'out'];
  const wrong: [args: string[], code: number, message: RegExp][] = [
    [['dataset', 'register', 'x', '--storage', 'http://host/x'], 1, /storage_url/],
    [['dataset', 'register', 'x', '--storage', 'file://host/x'], 1, /storage_url/],
    [['task', 'submit', '/bin/sh', '--in', '1', '--out', 'o'], 1, /executable/],
    [['task', 'submit', 'sort', '--in', '1', '--out', 'o', '--args', "it's"], 1, /args/],
    [['dataset', 'export', '1', 'texts/a.txt'], 1, /a\.txt can't be a directory for the copies: EEXIST/],
    [['task', 'watch', '--until-over'], 2, /--until-over wants the tasks to wait for/],
    [[...submit, '--mode', 'reduce'], 2, /--mode: "reduce" is none of map, merge/],
    [[...submit, '--device', 'tpu'], 2, /--device: "tpu" is none of cpu, gpu/],
    [[...submit, '--rank', '32768'], 2, /--rank must be a whole number from -32768 to 32767/],
    [[...submit, '--retries', '101'], 2, /--retries must be a whole number from 0 to 100/],
    [[...submit, '--mode', 'merge', '--files-per-job', '1'], 1, /files_per_job/],
    [['task', 'submit', 'sort', '--in', '7', '--out', 'o'], 1, /no dataset 7/],
    [
      ['pilot', 'run', '--device', 'tpu'],
      2,
      /^owl: --device: workload\.pilot\.device must be one of cpu, gpu/,
    ],
    [['pilot', 'run', '--slots', 'x'], 2, /^owl: --slots: workload\.pilot\.slots must be a whole number/],
    [['pilot', 'run', '--broker', 'http://x'], 2, /^owl: --broker: workload\.broker must be amqp:/],
  ];
  for (const [args, code, message] of wrong) {
    const told = await run(...args);
    t.equal(told.code, code, args.join(' '));
    t.match(told.stderr, message, args.join(' '));
  }
  t.equal(await ok('task', 'list', '--json'), '[]');
});

t.test('a check looks for the programs of executables', async (t) => {
  const executables = (first: string) =>
    `systems: [workload]\nworkload:\n  executables:\n    one: { argv: [${first}] }\n    two: { argv: [no-such-program] }\n`;
  const cwd = t.testdir({ 'owl.yaml': executables(process.execPath), 'none.yaml': executables('/no/such') });
  const env = { PATH: '/nowhere' };
  const some = await owl(['config', 'check'], { cwd, env });
  t.equal(some.code, 0, 'the pilot runs what is there');
  t.match(
    some.stderr,
    /note: owl\.yaml:5:12: .*executable two: its program no-such-program is in no directory of PATH; install it/,
  );
  const none = await owl(['config', 'check', 'none.yaml'], { cwd, env });
  t.equal(none.code, 1);
  t.match(none.stderr, /none\.yaml:4:12: .*executable one: its program \/no\/such is not there; install it/);
});

t.test('a node on one page says who is there to run jobs', async (t) => {
  const { env, cwd, ok } = await setUp(t);
  await ok('dataset', 'register', 'texts', '--storage', 'texts');
  await ok('task', 'submit', 'sort', '--in', '1', '--out', 'out');
  const page = await owl(['status'], { env, cwd });
  t.match(page, { code: 0, stdout: /^workload +no pilots attached +nothing, since/m });
  t.match(page.stdout, /^workload lets wait 1$/m);
  t.match(page.stdout, /^task 1 sort +registered +0 of 0 jobs, waits for files/m);
});
