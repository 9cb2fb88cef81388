/** A pilot, its keeper and real programs, with a node over gRPC: what is granted is run, stored and told. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isOfTap } from '../../../support/own-environment.js';
import { md5Of, TASK_UID, world } from '../support/pilot-world.js';

t.test('a job is claimed, run, stored and told', async (t) => {
  const { node, order, input, pilot, stored, directory } = await world(t);
  const running = await pilot();
  node.offer(order('j1', { inputs: [input('a.txt', 'hello\n')], inputs_total: 1 }));
  const { finished } = await node.outcome('j1');
  const [claim, started] = node.of('j1');
  t.match(claim, { claim: { job: 'j1' }, pilot: 'p1', command_id: String });
  t.match(started, { started: { inputs_checked: 1, pid: Number, boot_id: String, start_time: String } });
  const { claim_id } = finished ?? {};
  t.match(finished, {
    ...{ claim_id, wall_seconds: Number },
    outputs: [{ uid: 'j1-out', file_name: 'out.txt', path: `${TASK_UID}/out.a1.txt`, size: 6 }],
    log: { uid: 'j1-log', path: `${TASK_UID}/log.a1.txt`, size: 5, check_sum: md5Of('done\n') },
  });
  t.equal(finished?.outputs?.[0]?.check_sum, md5Of('HELLO\n'));
  t.same(stored(), { [`${TASK_UID}/out.a1.txt`]: 'HELLO\n', [`${TASK_UID}/log.a1.txt`]: 'done\n' });
  await node.until('its slot is free', () => running.status().slots_used === 0);
  for (const folder of [directory.records, directory.claims])
    t.same(readdirSync(folder), [], `${folder} is empty`);
  t.notOk(existsSync(directory.workOf({ job: 'j1', attempt: 1 })));
  t.equal(running.status().jobs_done, 1);
  t.match(JSON.parse(node.attached[0]?.body ?? ''), { device_type: 'cpu', slots: 2, executables: ['upper'] });
  await running.stop();
  t.equal(node.left.length, 1, 'nothing was unsettled, so the lease was given back');
});

t.test('a merge has its inputs in their order, and more than a grant holds are asked for', async (t) => {
  const { node, order, input, pilot, stored } = await world(t);
  await pilot();
  const inputs = Array.from({ length: 250 }, (_, n) => input(`f${n}`, `${n}\n`));
  node.allInputs.set('m', inputs);
  const files = { inputs: inputs.slice(0, 200), inputs_total: 250 };
  node.offer(order('m', { executable: 'join', mode: 'merge', ...files }));
  t.match(await node.outcome('m'), { finished: { exit_code: 0 } });
  t.equal(stored()[`${TASK_UID}/out.a1.txt`], inputs.map((_, n) => `${n}\n`).join(''));
  node.offer(order('n', { executable: 'join', ...files, inputs, task: 'other' }));
  const { failed } = await node.outcome('n');
  t.match(failed, { failure_class: 'args_invalid', detail: /room for 200.*has 250.*inputs_file/ });
});

t.test('the program sees what is declared, and nothing else', async (t) => {
  const { node, order, input, pilot, stored } = await world(t);
  process.env['OWL_TEST_DECLARED'] = 'yes';
  process.env['OWL_TEST_SECRET'] = 'no';
  await pilot();
  const args = `'env >"$0"; echo "$2 $3" >>"$0"; ls in >>"$0"; [ -w in ] || echo fixed >>"$0"; test ! -t 0'`;
  node.offer(order('e', { executable: 'run', args, inputs: [input('a', '')], inputs_total: 1, seq: 7 }));
  t.match(await node.outcome('e'), { finished: {} });
  const lines = stored()[`${TASK_UID}/out.a1.txt`]?.split('\n') ?? [];
  const names = lines.flatMap((line) => {
    const [, name = '', value] = /^([A-Za-z_]+)=(.*)/.exec(line) ?? [];
    return name === '' || isOfTap(name, value) ? [] : [name];
  });
  const own = ['OWL_DEVICE', 'OWL_JOB', 'OWL_PAYLOAD', 'OWL_TEST_DECLARED', 'PATH', 'TMPDIR'];
  t.same(names.filter((name) => !['LANG', 'PWD', 'SHLVL', '_', 'OLDPWD'].includes(name)).sort(), own);
  t.ok(lines.includes('e 7'), 'its job and its number');
  t.ok(lines.includes('OWL_JOB=e') && lines.includes('a'));
});

t.test('how it ended, and why that is a failure', async (t) => {
  const { node, order, input, pilot, stored, log } = await world(t);
  const small = {
    argv: ['/bin/sh', '-c', 'head -c 2000000 /dev/zero >"$0"', '{out}'],
    largest_output_mib: 1,
  };
  const { Executables } = await import('../support/executables.js');
  const silent = { argv: ['/bin/sleep', '1000'], environment: [], looping_seconds: 1 };
  const executables = { ...Executables, large: { ...small, environment: [] }, silent };
  await pilot({ slots: 20, executables });
  const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
  const run = (job: string, script: string, more = {}) =>
    node.offer(order(job, { executable: 'run', args: `'${script}'`, task: job, ...inputs, ...more }));
  run('exit', 'echo half >"$0"; echo it broke >&2; exit 3');
  run('signal', 'kill -SEGV $$');
  run('nothing', 'true');
  run('link', 'ln -s /etc/hostname "$0"');
  run('folder', 'mkdir "$0"');
  run('late', 'sleep 1000', { timeout_seconds: 1 });
  run('chatty', 'while :; do head -c 1000000 /dev/zero; sleep 0.1; done');
  run('hungry', 'x=$(head -c 60000000 /dev/zero | tr "\\\\0" a); sleep 1000', { memory_mib: 40 });
  run('quote', 'true', { args: "'" });
  node.offer(order('large', { executable: 'large', task: 'large', ...inputs }));
  node.offer(order('silent', { executable: 'silent', task: 'silent', ...inputs }));
  node.offer(order('unknown', { executable: 'rm', task: 'unknown', ...inputs }));
  const failed = async (job: string) => (await node.outcome(job)).failed;
  t.match(await failed('exit'), { failure_class: 'payload_exit', exit_code: 3, detail: /it broke/ });
  t.match((await failed('exit'))?.log, { path: 'exit/log.a1.txt', check_sum: md5Of('it broke\n') });
  t.match(await failed('signal'), { failure_class: 'payload_signal', exit_signal: 'SIGSEGV' });
  t.match(await failed('nothing'), { failure_class: 'output_missing', detail: /out\.txt was not written/ });
  t.match(await failed('link'), { failure_class: 'output_missing', detail: /is a link/ });
  t.match(await failed('folder'), { failure_class: 'output_missing', detail: /no regular file/ });
  t.match(await failed('large'), { failure_class: 'output_too_large', detail: /2000000 bytes/ });
  t.match(await failed('late'), { failure_class: 'time_limit', detail: /the 1 s/ });
  t.match(await failed('chatty'), { failure_class: 'log_limit', detail: /more than 1 MiB/ });
  t.match(await failed('hungry'), { failure_class: 'out_of_memory', detail: /may have 40 MiB/ });
  t.match(await failed('silent'), { failure_class: 'looping', detail: /for 1 s/ });
  t.match(await failed('quote'), { failure_class: 'args_invalid', detail: /stays open/ });
  t.match(await failed('unknown'), { failure_class: 'executable_unknown', detail: /no executable rm/ });
  const outputs = Object.keys(stored()).filter((path) => path.includes('out.'));
  t.same(outputs, [], 'nothing that a failed attempt has written stays');
  t.same(log.messages('error'), []);
});

t.test('an output may be empty', async (t) => {
  const { node, order, input, pilot } = await world(t);
  await pilot();
  node.offer(order('j', { inputs: [input('a', '')], inputs_total: 1 }));
  const { finished } = await node.outcome('j');
  t.equal(finished?.outputs?.[0]?.check_sum, md5Of(''));
});

t.test('no more is claimed than there are slots, and what waits follows', async (t) => {
  const { node, order, input, pilot, storage } = await world(t);
  const one = await pilot({ slots: 1 });
  const go = join(storage, 'in', 'go-first');
  const inputs = { inputs: [input('a', '')], inputs_total: 1 };
  node.offer(order('first', { executable: 'wait', ...inputs, task: 'first' }));
  await node.until('it runs', () => node.of('first').length === 2);
  node.offer(order('second', { ...inputs, task: 'second' }));
  const samples = node.samples.length;
  await node.until('it was heard of meanwhile', () => node.samples.length > samples + 1);
  t.match(node.samples.at(-1), [{ job: 'first', phase: 'running', claim_id: /^claim-/ }]);
  t.same(node.of('second'), [], 'there is no slot');
  t.equal(existsSync(go), false);
  input('go-first', '');
  await node.outcome('first');
  t.match(await node.outcome('second'), { finished: {} });
  t.equal(one.status().slots, 1);
});

t.test(
  'jobs of a gpu pilot see the device of their slot, and wait until the memory they ask for is free',
  async (t) => {
    const { node, order, input, pilot, stored, directory } = await world(t);
    const one = await pilot({ device: 'gpu', slots: 3, memory_mib: 100 });
    t.match(JSON.parse(node.attached[0]?.body ?? ''), { device_type: 'gpu', memory_mib: 100 });
    const inputs = { inputs: [input('a', '')], inputs_total: 1 };
    const offer = (job: string, more: object) => node.offer(order(job, { task: job, ...inputs, ...more }));
    offer('first', { executable: 'wait', memory_mib: 60 });
    await node.until('it runs', () => node.of('first').length === 2);
    offer('second', {
      executable: 'run',
      memory_mib: 60,
      args: `'echo $CUDA_VISIBLE_DEVICES $OWL_DEVICE >"$0"'`,
    });
    offer('large', { memory_mib: 101 });
    t.match(await node.outcome('large'), {
      failed: { failure_class: 'start_failed', detail: /asks for 101 MiB, and this pilot has 100 MiB/ },
    });
    const samples = node.samples.length;
    await node.until('it was heard of', () => node.samples.length > samples);
    t.equal(node.of('second').length, 1, 'granted, and not started');
    t.match(node.samples.at(-1), [{ job: 'first' }, { job: 'second', phase: 'staging' }]);
    input('go-first', '');
    t.match(await node.outcome('second'), { finished: {} });
    t.equal(stored()['second/out.a1.txt'], '1 gpu\n');
    await node.until('its slots are free', () => one.status().slots_used === 0);
    t.same(readdirSync(directory.logs), [], 'what is stored is not kept twice');
  },
);
