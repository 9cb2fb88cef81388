/**
 * The `owl` executable against a talent that runs as a process of its own. What a command prints is the same in this process
 * (`run`), which is where those run that only lead to what a test is about.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { loadProto, serviceOf } from '../../src/wire/proto.js';
import {
  type OwlProcess,
  type RunningTalent,
  startOwl,
  startTalentProcess,
  untilServing,
} from '../support/owl-process.js';
import { owl, type Ran } from '../support/terminal-double.js';
import { until } from '../support/until.js';

const TASK_ID = /^task_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$/;
const PATHS = ['--cache1', '/ssd/tmp', '--dest-path', '/farm/1'];

interface Farm extends RunningTalent {
  readonly cwd: string;
  readonly data: string;
  /** Starts a command against this talent as a process. */
  start(...args: string[]): OwlProcess;
  /** Runs one in this process, to its end. */
  run(...args: string[]): Promise<Ran>;
}

async function startFarm(t: Test): Promise<Farm> {
  const cwd = t.testdir();
  const data = join(cwd, 'data');
  const talent = await startTalentProcess(t, ['--data', data], cwd);
  const options = { cwd, env: { OWL_SERVER: talent.address } };
  const start = (...args: string[]) => startOwl(t, args, options);
  return { ...talent, cwd, data, start, run: (...args) => owl(args, options) };
}

function parse(text: string): unknown {
  return JSON.parse(text);
}

/** Of those that only ask it, or are refused. */
const shared = await startFarm(t);

t.test('a task from its order to its history', async (t) => {
  const { start, run } = shared;

  const none = await start('plot', 'list').ended;
  t.equal(none.code, 0);
  t.equal(none.stdout, '');
  t.match(none.stderr, 'there is no task yet; order one with `owl plot create');
  t.strictSame(parse((await run('plot', 'list', '--json')).stdout), []);

  const order = ['plot', 'create', ...PATHS, '--dest-type', 'local', '--ksize', '25'];
  const created = await start(...order).ended;
  t.equal(created.code, 0, created.stderr);
  t.match(created.stdout, TASK_ID, 'the id and nothing else');
  const id = created.stdout.trim();
  const beginning = id.slice(0, 'task_'.length + 8);

  const list = await start('plot', 'list').ended;
  t.equal(list.code, 0);
  t.match(
    list.stdout,
    new RegExp(`^TASK +STATUS +DONE +K +AGE .*\n${beginning} +received +0\\.0% +25 .*\n$`),
  );

  const status = await run('plot', 'status', beginning);
  t.equal(status.code, 0);
  t.match(status.stdout, `task         ${id}\nstatus       received\n`);
  t.match(status.stdout, 'destination  /farm/1 (local)\n');

  const stopped = await run('plot', 'stop', beginning, '--reason', 'disk is failing');
  t.equal(stopped.code, 0);
  t.match(stopped.stdout, new RegExp(`^${id} stop`));
  t.match(parse((await run('plot', 'status', id, '--json')).stdout), {
    task_id: id,
    status: 'stopped',
    remarks: 'disk is failing',
    revision: 1,
    plot_details: { ksize: 25, cache1: '/ssd/tmp', cache2: '/ssd/tmp', dest_type: 'local' },
  });

  const retried = await run('plot', 'retry', beginning, '--json');
  t.match(parse(retried.stdout), { task_id: id, type: 'on_retry', is_success: true, revision: 2 });

  const history = await run('plot', 'history', beginning);
  t.match(history.stdout, /^REV +TIME +EVENT +WHAT CHANGED\n {2}0 .* received .*\n/);
  t.match(history.stdout, /^ {2}1 .* stop requested +remarks disk is failing$/m);
  t.match(history.stdout, /^ {2}2 .* retried +attempt 2/m);
  const events = (await run('plot', 'history', beginning, '--json')).stdout.trim().split('\n').map(parse);
  t.match(events, [
    { task_id: id, type: 'PlotTaskReceived', version: 1 },
    { task_id: id, revision: 1, type: 'PlotTaskStopRequested', data: '{"remarks":"disk is failing"}' },
    { task_id: id, revision: 2, type: 'PlotTaskRetried' },
  ]);
});

t.test('watch tells every change as it happens, until it is interrupted', async (t) => {
  const { run, start } = shared;
  await run('plot', 'create', ...PATHS, '--task-id', 'seen');
  await run('plot', 'create', ...PATHS, '--task-id', 'other');
  const json = start('plot', 'watch', 'see', '--json');
  const text = start('plot', 'watch');
  await until('both have seen what there is', () => {
    const isListed = (id: string) => text.stdout().includes(id);
    return json.stdout().includes('initial_complete') && isListed('seen') && isListed('other');
  });
  await run('plot', 'stop', 'other');
  await run('plot', 'stop', 'seen', '--reason', 'enough');
  await until(
    'both have seen the stop',
    () => json.stdout().includes('enough') && text.stdout().includes('enough'),
  );
  json.child.kill('SIGINT');
  text.child.kill('SIGTERM');

  const [asJson, asText] = [await json.ended, await text.ended];
  t.strictSame([asJson.code, asText.code], [130, 143]);
  t.strictSame([asJson.stderr, asText.stderr], ['', '']);
  t.match(asJson.stdout.trim().split('\n').map(parse), [
    { initial: true, task: { task_id: 'seen', status: 'received' } },
    { initial_complete: true },
    { task: { task_id: 'seen', status: 'stopped', remarks: 'enough' } },
  ]);
  t.match(asText.stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}seen {2}stopped {2}0\.0% {2}enough$/m);
});

t.test('a reader that goes away ends a command quietly', async (t) => {
  const { run, start } = shared;
  await run('plot', 'create', ...PATHS);
  const commands = [
    ['plot', 'list'],
    ['plot', 'list', '--json'],
    ['plot', 'watch', '--json'],
  ].map((args) => ({ args, command: start(...args) }));
  for (const { command } of commands) command.child.stdout?.destroy();
  for (const { args, command } of commands) {
    const { code, stderr } = await command.ended;
    t.strictSame([code, stderr], [0, ''], args.join(' '));
  }
});

t.test('a second talent on the same data directory is refused with the pid of the first', async (t) => {
  const { process: first, cwd, data } = shared;
  const second = await startOwl(t, ['talent', '--data', data, '--listen', '127.0.0.1:0'], { cwd }).ended;
  t.equal(second.code, 1);
  t.match(second.stderr, new RegExp(`^owl: .*${data}.*\\b${first.child.pid}\\b`, 'm'));
  t.equal(second.stdout, '');
});

t.test('an address that is taken is refused', async (t) => {
  const { address, cwd } = shared;
  const second = await startOwl(t, ['talent', '--data', join(cwd, 'other'), '--listen', address], { cwd })
    .ended;
  t.equal(second.code, 1);
  t.equal(
    second.stderr,
    `owl: can't listen on ${address}: it is in use by another process; choose another address\n`,
    'one line',
  );
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} ends a talent in order, and what it kept is there when it starts again`, async (t) => {
    const { process: talent, run, start, cwd, data } = await startFarm(t);
    const id = (await run('plot', 'create', ...PATHS)).stdout.trim();
    const watch = start('plot', 'watch');
    await until('the watch has begun', () => watch.stdout().includes(id));

    talent.child.kill(signal);
    const { code, stderr } = await talent.ended;
    t.equal(code, 0, stderr);
    t.match(stderr, 'owl talent is stopping; a second signal ends it at once');
    await until('who watches is told that the talent has gone', () => watch.stderr().includes('is away'));
    watch.child.kill('SIGINT');
    t.equal((await watch.ended).code, 130);
    t.equal((await run('plot', 'list')).code, 3);

    const again = await startTalentProcess(t, ['--data', data], cwd);
    const { stdout } = await owl(['plot', 'list', '--json', '--server', again.address], { cwd });
    t.match(parse(stdout), [{ task_id: id, status: 'received' }]);
  });
}

t.test('a second signal ends a talent that is still waiting for a call', async (t) => {
  const { process: talent, address } = await startFarm(t);
  const release = await holdReportStream(address);
  t.teardown(release);
  talent.child.kill('SIGINT');
  await until('it is stopping', () => talent.stderr().includes('is stopping'));
  talent.child.kill('SIGTERM');
  t.equal((await talent.ended).code, 143);
});

t.test('a talent takes its settings from owl.yaml, and tells programs where it is', async (t) => {
  const cwd = t.testdir({
    'owl.yaml': 'listen: 127.0.0.1:0\ndata: kept\nworker_id: node-7\nlog: { level: silent }\n',
  });
  const talent = startOwl(t, ['talent', '--json'], { cwd });
  await untilServing(talent);
  const facts = parse(talent.stdout());
  t.match(facts, {
    address: /^127\.0\.0\.1:\d+$/,
    worker_id: 'node-7',
    data: join(cwd, 'kept'),
    pid: talent.child.pid,
  });
  t.equal(talent.stderr(), '', 'silent is silent');
  t.ok(existsSync(join(cwd, 'kept')));
  talent.child.kill('SIGTERM');
  t.equal((await talent.ended).code, 0);
});

/** Opens a report stream and waits for its first answer, so that the talent has a call under way until it is released. */
async function holdReportStream(address: string): Promise<() => void> {
  const method = serviceOf(loadProto('talent'), 'talent.PlotManager')['plot_task_report'];
  if (method === undefined) throw new Error('no plot_task_report');
  const client = new Client(address, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
  );
  // It ends with the talent, which is what the test is about.
  stream.on('error', () => {});
  await new Promise((resolve) => {
    stream.once('data', resolve);
    stream.write({ seq: 1, status: { task_id: 'nobody' } });
  });
  return () => {
    stream.cancel();
    client.close();
  };
}
