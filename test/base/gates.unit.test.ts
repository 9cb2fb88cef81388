import t from 'tap';
import { Gates } from '../../src/base/gates.js';

/** Work that ends when it is told to. */
function work(log: string[], name: string) {
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = async () => {
    log.push(`${name} begins`);
    await over;
    log.push(`${name} ends`);
  };
  return { run, end };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

t.test(
  'many pass at once; who shuts it waits for them, and those that come later for who shuts it',
  async (t) => {
    const [gates, log] = [new Gates(), [] as string[]];
    const [a, b, shut, late] = ['a', 'b', 'shut', 'late'].map((name) => work(log, name));
    if (a === undefined || b === undefined || shut === undefined || late === undefined)
      throw new Error('four');
    const all = [gates.pass('t', a.run), gates.pass('t', b.run)];
    await settled();
    all.push(gates.shut('t', shut.run), gates.pass('t', late.run));
    a.end();
    await settled();
    t.strictSame(log, ['a begins', 'b begins', 'a ends'], 'one passes still');
    b.end();
    await settled();
    t.strictSame(log.slice(3), ['b ends', 'shut begins']);
    shut.end();
    await settled();
    t.strictSame(log.slice(5), ['shut ends', 'late begins']);
    late.end();
    await Promise.all(all);
  },
);

t.test('those that shut it do so one after another, and a failure lets the next one through', async (t) => {
  const [gates, log] = [new Gates(), [] as string[]];
  const failing = gates.shut('t', async () => {
    log.push('first');
    await settled();
    throw new Error('the store is away');
  });
  const second = gates.shut('t', async () => {
    log.push('second');
    await settled();
    log.push('second ends');
  });
  const passing = gates.pass('t', async () => {
    log.push('passes');
  });
  await t.rejects(failing, { message: 'the store is away' });
  await Promise.all([second, passing]);
  t.strictSame(log, ['first', 'second', 'second ends', 'passes']);
  await t.rejects(
    gates.pass('t', () => Promise.reject(new Error('refused'))),
    { message: 'refused' },
  );
  await gates.shut('t', async () => {
    log.push('nobody is left');
  });
  t.equal(log.at(-1), 'nobody is left');
});

t.test('tasks do not wait for each other', async (t) => {
  const gates = new Gates();
  const shut = work([], 'shut');
  const shutting = gates.shut('one', shut.run);
  await settled();
  t.equal(await gates.pass('another', async () => 'passed'), 'passed');
  shut.end();
  await shutting;
});
