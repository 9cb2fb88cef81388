/** Inputs that are not what was registered: each fails its job with what was found, and none is ever read from elsewhere. */

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { JobFailed, JobInput } from '../../../../src/systems/workload/wire/pilot-messages.js';
import { until } from '../../../support/until.js';
import { farStorage, inputOf, md5Of, noFarStorage, type World, world } from '../support/pilot-world.js';

/** A job with that one input. @returns how it failed */
async function failing(
  { node, order }: World,
  job: string,
  input: JobInput,
  more = {},
): Promise<JobFailed | undefined> {
  node.offer(order(job, { inputs: [input], inputs_total: 1, task: job, ...more }));
  return (await node.outcome(job)).failed;
}

t.test('what is missing, or another file than it was, is told with what was found', async (t) => {
  const here = await world(t);
  await here.pilot({ slots: 20 });
  const { storage, input } = here;
  const at = (name: string) => join(storage, 'in', name);
  const gone = input('gone', 'gone');
  rmSync(at('gone'));
  const short = input('short', 'a whole line\n');
  writeFileSync(at('short'), 'a wh');
  const changed = input('changed', 'before');
  writeFileSync(at('changed'), 'after!');
  utimesSync(at('changed'), 0, 0);
  const sha = { ...input('sha', 'same'), sha256: '0'.repeat(64) };
  const folder = inputOf('folder', '');
  mkdirSync(at('folder'));
  const pipe = inputOf('pipe', '');
  execFileSync('mkfifo', [at('pipe')]);
  const loop = inputOf('loop', '');
  symlinkSync('loop', at('loop'));
  t.match(await failing(here, 'j-gone', gone), {
    ...{ failure_class: 'input_missing', file: 'in-gone', detail: /gone can't be read.*ENOENT/ },
  });
  t.match(await failing(here, 'j-short', short), {
    ...{ failure_class: 'input_checksum', file: 'in-short', found_size: 4, detail: /4 bytes.*with 13/ },
  });
  t.match(await failing(here, 'j-changed', changed), {
    ...{ failure_class: 'input_checksum', found_size: 6, found_check_sum: md5Of('after!') },
  });
  t.match(await failing(here, 'j-sha', sha), { failure_class: 'input_checksum', detail: /SHA-256/ });
  t.match(await failing(here, 'j-folder', folder), { failure_class: 'input_missing', detail: /directory/ });
  t.match(await failing(here, 'j-pipe', pipe), { failure_class: 'input_missing', detail: /no regular file/ });
  t.match(await failing(here, 'j-loop', loop), { failure_class: 'input_missing', detail: /ELOOP/ });
  for (const job of ['j-gone', 'j-changed', 'j-pipe'])
    t.notOk(
      here.node.of(job).some(({ started }) => started),
      'nothing was started',
    );
});

t.test('one that can not be read', { skip: process.getuid?.() === 0 && 'root reads it' }, async (t) => {
  const here = await world(t);
  await here.pilot();
  const shut = here.input('shut', 'x');
  chmodSync(join(here.storage, 'in', 'shut'), 0);
  t.match(await failing(here, 'j', shut), { failure_class: 'input_missing', detail: /EACCES/ });
});

t.test('nothing is read or written outside of the storage', async (t) => {
  const here = await world(t);
  await here.pilot({ slots: 20 });
  const { storage, data, input, order, node } = here;
  writeFileSync(join(data, 'secret'), 'secret');
  symlinkSync(join(data, 'secret'), join(storage, 'in', 'link'));
  symlinkSync(data, join(storage, 'elsewhere'));
  const secret = inputOf('link', 'secret');
  const outside = /outside of the storage|must lie below/;
  t.match(await failing(here, 'link', secret), { failure_class: 'input_missing', detail: outside });
  const up = { ...inputOf('up', 'secret'), path: '../../data/secret' };
  t.match(await failing(here, 'up', up), { failure_class: 'input_missing', detail: /hold no \.\./ });
  const urls = [`file://${data}`, `file://${storage}/../data`, `file://host${storage}`, 'http://x/y'];
  const good = { inputs: [input('a', 'a')], inputs_total: 1 };
  // Else the pilot would rest.
  const works = async (job: string) => {
    node.offer(order(job, { ...good, task: `good-${job}` }));
    t.match(await node.outcome(job), { finished: {} });
  };
  for (const [n, storage_url] of urls.entries()) {
    await works(`before-u${n}`);
    t.match(await failing(here, `u${n}`, secret, { storage_url }), {
      failure_class: 'storage_unavailable',
    });
  }
  for (const [n, url] of [...urls, `file://${storage}/elsewhere`].entries()) {
    await works(`before-o${n}`);
    node.offer(order(`o${n}`, { ...good, data_out_url: url, task: `o${n}` }));
    const { failed } = await node.outcome(`o${n}`);
    t.match(failed, { failure_class: 'storage_unavailable' }, url);
  }
  t.ok(Object.keys(here.stored()).every((path) => path.startsWith('good-')));
});

t.test('check sums are looked at always, at the first attempt, or never; the size always is', async (t) => {
  for (const verify of ['first', 'never'] as const) {
    const isFar = verify === 'first' && noFarStorage === false;
    const here = await world(t, isFar ? farStorage(t) : undefined);
    const pilot = await here.pilot({ verify });
    const { input, storage, order, node } = here;
    const changed = input('a', 'before');
    writeFileSync(join(storage, 'in', 'a'), 'after!');
    const inputs = { inputs: [changed], inputs_total: 1 };
    node.offer(order('one', { ...inputs, task: 'one' }));
    const one = await node.outcome('one');
    t.equal(one.failed?.failure_class, verify === 'first' ? 'input_checksum' : undefined);
    node.offer(order('two', { ...inputs, task: 'two', attempt: 2 }));
    t.match(await node.outcome('two'), { finished: {} });
    writeFileSync(join(storage, 'in', 'a'), 'longer than before');
    t.match(await failing(here, 'three', changed, { attempt: 2 }), { failure_class: 'input_checksum' });
    await pilot.stop();
  }
});

t.test('a storage that is away is waited for, and is no missing file', async (t) => {
  const here = await world(t);
  await here.pilot({}, { storagePatienceMs: 60_000 });
  const { node, order, input, storage, log } = here;
  const inputs = { inputs: [input('a', 'a')], inputs_total: 1 };
  renameSync(storage, `${storage}.away`);
  node.offer(order('j', inputs));
  await until('it was noticed', () => log.messages('warn').some((line) => /storage is away/.test(line)));
  t.notOk(node.of('j').some(({ failed }) => failed));
  renameSync(`${storage}.away`, storage);
  t.match(await node.outcome('j'), { finished: {} });
});

t.test('one that stays away is a loss of the machine', async (t) => {
  const here = await world(t);
  await here.pilot();
  const a = here.input('a', 'a');
  renameSync(here.storage, `${here.storage}.away`);
  t.match(await failing(here, 'j', a), { failure_class: 'storage_unavailable', detail: /ENOENT/ });
});

t.test('a directory that is missing or empty, as where nothing is mounted, is no missing file', async (t) => {
  const here = await world(t);
  await here.pilot();
  const { storage } = here;
  mkdirSync(join(storage, 'bare'));
  writeFileSync(join(storage, 'file'), '');
  for (const [folder, detail] of [
    ['bare', /is it mounted/],
    ['none', /ENOENT/],
    ['file', /ENOTDIR/],
  ] as const) {
    const storage_url = `file://${storage}/${folder}`;
    const failure_class = 'storage_unavailable';
    t.match(await failing(here, folder, inputOf('a', 'a'), { storage_url }), { failure_class, detail });
  }
});

t.test('after three such attempts a pilot takes nothing for a while, and says so', async (t) => {
  const here = await world(t);
  const { node, input, order, storage } = here;
  const pilot = await here.pilot({ slots: 1 });
  const good = { inputs: [input('a', 'a')], inputs_total: 1 };
  const away = { ...good, storage_url: `file://${storage}/none` };
  const failed = async (job: string) => {
    node.offer(order(job, away));
    t.match(await node.outcome(job), { failed: { failure_class: 'storage_unavailable' } });
  };
  for (const job of ['j1', 'j2']) await failed(job);
  node.offer(order('works', good));
  t.match(await node.outcome('works'), { finished: {} }, 'then they are not in a row');
  for (const job of ['j3', 'j4']) await failed(job);
  // The node sees what this pilot does not.
  const whatItSees = { is_success: true, reason: 'storage_unavailable', msg: 'it is there' };
  node.answers = (report) => (report.failed?.job === 'j5' ? whatItSees : undefined);
  node.offer(order('j5', { inputs: [inputOf('gone', 'x')], inputs_total: 1 }));
  t.match(await node.outcome('j5'), { failed: { failure_class: 'input_missing' } });
  await until('it is settled', () => pilot.status().slots_used === 0);
  node.offer(order('waits', good));
  const resting = () => node.resting.filter((why) => why !== undefined);
  const before = resting().length;
  await until('it says so', () => resting().length > before + 1);
  t.match(resting().at(-1), /^takes nothing for a minute, .* 3 times in a row: it is there$/);
  t.same(node.of('waits'), [], 'it asks for nothing');
});

t.test('a program that writes into its input, or removes it, has changed its copy alone', async (t) => {
  const here = await world(t);
  await here.pilot();
  const run = { executable: 'run', inputs_total: 1 };
  const input = here.input('a', 'before');
  const { node, order } = here;
  for (const [job, script] of [
    ['j', `'chmod 600 "$1"; echo x >>"$1"; cat "$1" >"$0"'`],
    ['k', `'echo junk >"$1" || chmod 600 "$1"; echo junk >"$1"; cat "$1" >"$0"'`],
    ['l', `'chmod 700 in; rm "$1"; echo >"$0"'`],
    ['m', `'cat "$1" >"$0"'`],
  ] as const)
    node.offer(order(job, { ...run, args: script, inputs: [input], task: job }));
  for (const job of ['j', 'k', 'l', 'm']) t.match(await node.outcome(job), { finished: {} }, job);
  const { 'j/out.a1.txt': longer, 'k/out.a1.txt': other, 'm/out.a1.txt': same } = here.stored();
  t.match({ longer, other, same }, { longer: 'beforex\n', other: 'junk\n', same: 'before' });
});
