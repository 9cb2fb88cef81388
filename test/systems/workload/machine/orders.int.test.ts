/** What a node orders while a job is under way: ending it, nothing new, a piece of its log, and that its claim counts no more. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { identifyProcess } from '../../../../src/base/process-identity.js';
import { runPilot } from '../../../../src/systems/workload/machine/pilot.js';
import { until } from '../../../support/until.js';
import { wakingClock } from '../../../support/waking-clock.js';
import { type World, world } from '../support/pilot-world.js';

const STAYS = `'echo up; trap "" TERM; sleep 1000 & sleep 1000; sleep 1000'`;

async function running({ node, order, input }: World, job: string, args = STAYS): Promise<string> {
  const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
  node.offer(order(job, { executable: 'run', args, ...inputs, task: job }));
  await until('it runs', () => node.of(job).some(({ started }) => started));
  return node.of(job).find(({ started }) => started)?.started?.claim_id ?? '';
}

function pidOf({ node }: World, job: string): number {
  return node.of(job).find(({ started }) => started)?.started?.pid ?? 0;
}

t.test('cancelled is told once nothing of it runs any more', async (t) => {
  const here = await world(t);
  const { node, pilot, directory } = here;
  await pilot();
  const claim_id = await running(here, 'j');
  const log = directory.payloads.logPathOf({ job: 'j', attempt: 1 });
  await until('it hears no signal', () => existsSync(log));
  node.send({ cancel: { job: 'j', claim_id: 'another', grace_seconds: 0 } });
  node.send({ cancel: { job: 'j', claim_id, grace_seconds: 0, reason: 'nobody wants it' } });
  const { cancelled } = await node.outcome('j', 2);
  t.match(cancelled, { claim_id });
  t.ok((cancelled?.processes_ended ?? 0) >= 2, 'the shell and what it had started');
  t.equal(identifyProcess(pidOf(here, 'j')), undefined);
  t.same(here.stored(), {});
  await until('its work is cleared away', () => !existsSync(directory.workOf({ job: 'j', attempt: 1 })));
});

t.test('one that is not here, or not granted yet', async (t) => {
  const here = await world(t);
  const { node, pilot, order, input } = here;
  await pilot();
  node.send({ cancel: { job: 'nobody', claim_id: 'c', grace_seconds: 1 } });
  t.match(await node.outcome('nobody'), {
    cancelled: { claim_id: 'c', unknown: true },
    command_id: 'c.cancelled',
  });
  let isHeld = true;
  node.answers = (report) =>
    report.claim !== undefined && isHeld ? { is_success: false, retryable: true } : undefined;
  node.offer(order('j', { inputs: [input('a', 'a')], inputs_total: 1 }));
  await until('it was asked for', () => node.of('j').length > 0);
  const claim_id = `claim-${node.of('j')[0]?.command_id}`;
  node.send({ cancel: { job: 'j', claim_id, grace_seconds: 1 } });
  const samples = node.samples.length;
  await until('it was heard of', () => node.samples.length > samples);
  isHeld = false;
  t.match(await node.outcome('j'), { cancelled: { claim_id } });
  t.notOk(
    node.of('j').some(({ started }) => started),
    'nothing was started',
  );
});

t.test('a claim that counts no more: its payload ends at once, and nothing of it is stored', async (t) => {
  const here = await world(t);
  const { node, pilot, order, input } = here;
  const one = await pilot();
  // It is told when it says that it has started.
  node.answers = ({ started }) => (started?.job === 'early' ? stale : undefined);
  const stale = { is_success: false, reason: 'stale_claim', msg: 'another has it' };
  await running(here, 'early');
  const pid = pidOf(here, 'early');
  await until('it has ended', () => identifyProcess(pid) === undefined);
  await until('it is forgotten', () => one.status().slots_used === 0);
  t.notOk(
    node.of('early').some(({ finished, failed }) => finished ?? failed),
    'nobody is told of it',
  );
  // And when it says that it has finished.
  node.answers = ({ finished }) => (finished === undefined ? undefined : stale);
  node.offer(order('late', { inputs: [input('a', 'a')], inputs_total: 1, task: 'late' }));
  await node.outcome('late');
  await until('it is forgotten', () => one.status().slots_used === 0);
  t.same(here.stored(), {});
});

t.test('outputs that the node does not take fail the job, and do not stay', async (t) => {
  const here = await world(t);
  const { node, pilot, order, input } = here;
  await pilot();
  node.answers = ({ finished }) =>
    finished === undefined ? undefined : { is_success: false, reason: 'invalid', msg: 'size must be 3' };
  node.offer(order('j', { inputs: [input('a', 'a')], inputs_total: 1 }));
  t.match(await node.outcome('j', 2), { failed: { failure_class: 'output_missing', detail: /must be 3/ } });
  t.same(here.stored(), {});
});

t.test('a pilot that drains takes nothing new, until it is hinted at something again', async (t) => {
  const here = await world(t);
  const { node, pilot, order, input } = here;
  const one = await pilot({ slots: 1 });
  const claim_id = await running(here, 'first');
  const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
  node.offer(order('second', { ...inputs, task: 'second' }));
  node.send({ drain: true });
  await until('it drains', () => one.status().draining);
  node.send({ cancel: { job: 'first', claim_id, grace_seconds: 0 } });
  await node.outcome('first');
  await until('it has nothing', () => one.status().slots_used === 0);
  const samples = node.samples.length;
  await until('it was heard of', () => node.samples.length > samples + 1);
  t.same(node.of('second'), []);
  node.send({ hint: { job: 'second' } });
  t.match(await node.outcome('second'), { finished: {} });
});

t.test('pieces of a log, while it is written and after', async (t) => {
  const here = await world(t);
  const { node, pilot, directory } = here;
  await pilot();
  const claim_id = await running(here, 'j', `'echo one; echo two; exec sleep 1000'`);
  await until('it has printed', () => existsSync(directory.payloads.logPathOf({ job: 'j', attempt: 1 })));
  const read = async (request_id: string, offset: number, length?: number, attempt = 1) => {
    node.send({ read_log: { request_id, job: 'j', attempt, offset, ...(length ? { length } : {}) } });
    const piece = () => node.told.find(({ log }) => log?.request_id === request_id)?.log;
    await until('a piece came', () => piece() !== undefined);
    return piece();
  };
  for (let n = 0; (await read(`w${n}`, 0))?.size !== 8; n++);
  t.match(await read('a', 0, 4), { content: Buffer.from('one\n'), size: 8 });
  t.match(await read('b', -4), { content: Buffer.from('two\n'), offset: 4 });
  t.notOk((await read('c', 8))?.complete, 'it runs on');
  t.match(await read('d', 0, 4, 7), { problem: /attempt 7 of job j has no log/ });
  node.send({ cancel: { job: 'j', claim_id, grace_seconds: 1 } });
  await node.outcome('j');
  t.match(await read('e', 0), { complete: true, size: 8 });
  node.send({ read_log: { request_id: 'f', job: '../../etc/passwd', attempt: 1 } });
  await until('it is refused', () =>
    node.told.some(({ log }) => log?.problem === 'this names no log of a job'),
  );
});

t.test(
  'of two pilots of one name the later one has the lease, and the earlier one ends what it runs',
  async (t) => {
    const here = await world(t);
    const { node, pilot, data, settings, log } = here;
    const one = await pilot();
    await running(here, 'j');
    const pid = pidOf(here, 'j');
    await t.rejects(pilot(), { kind: 'refused', message: /has a pilot already/ });
    const elsewhere = join(data, 'elsewhere');
    const two = await runPilot({
      ...{ settings: settings(), data: elsewhere, server: node.address, logger: log.logger, version: '1' },
      ...{ variables: process.env, clock: wakingClock },
    });
    t.teardown(() => two.stop());
    t.match(await one.lost, { kind: 'refused', message: /pilot p1 is not the one that has its lease/ });
    t.equal(identifyProcess(pid), undefined);
    t.notOk(one.status().attached);
    t.ok(two.status().attached);
  },
);

t.test('a pilot that has nothing to offer, or no name, does not begin', async (t) => {
  const { pilot } = await world(t);
  for (const name of ['', '../p', 'a b', 'x'.repeat(65)])
    await t.rejects(pilot({ name }), { kind: 'invalid', message: /can't be called/ });
  const executables = { gone: { argv: ['/no/such/program'], environment: [] } };
  await t.rejects(pilot({ executables }), { kind: 'invalid', message: /nothing that a cpu pilot could run/ });
  const gpu = { only: { argv: ['true'], environment: [], device: 'gpu' as const } };
  await t.rejects(pilot({ executables: gpu }), { kind: 'invalid', message: /could run/ });
});

t.test('a clock that somebody sets moves no deadline', async (t) => {
  const here = await world(t);
  const { node, data, settings, log } = here;
  let offset = 0;
  const pilot = await runPilot({
    ...{ settings: settings(), data, server: node.address, logger: log.logger, version: '1' },
    ...{ variables: process.env, clock: { ...wakingClock, now: () => Date.now() + offset } },
  });
  t.teardown(() => pilot.stop());
  await running(here, 'j', `'sleep 1; echo out >"$0"'`);
  for (const step of [3_600_000, -3_600_000]) {
    offset = step;
    const samples = node.samples.length;
    await until('it beats on', () => node.samples.length > samples);
  }
  t.match(await node.outcome('j'), { finished: {} });
  t.equal(node.attached.length, 1);
});
