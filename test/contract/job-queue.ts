/** What every adapter of the queue of hints must pass unchanged. */

import type { Test } from 'tap';
import type { JobHint, JobQueue } from '../../src/systems/workload/service/jobs/job-queue.js';
import { until } from '../support/until.js';

/** A queue, with the store that decides beside it. */
export interface OpenedQueue {
  readonly queue: JobQueue;
  /** Jobs that the executor publishes and the store has as queued. The first one has the largest rank: so the executor gives them. */
  queued(uids: readonly string[]): Promise<void>;
  /** Published again: the store has it as requeued. */
  requeued(uid: string): Promise<void>;
  /** The store has it as granted to that pilot, or as ended. */
  granted(uid: string, pilot: string): Promise<void>;
  /** A pilot of the device that may be given work. */
  pilot(name: string, options?: { readonly device?: string; readonly slots?: number }): Promise<void>;
  /** A pilot is given nothing new. */
  drained(name: string): Promise<void>;
  /** The executor is switched off, strictly, or on again. */
  switched(to: 'off' | 'on'): Promise<void>;
  /** As much time passes as a pilot is not given again what it let go. */
  pass(): void;
  /** The same queue after a restart of its side. */
  reopen(): Promise<OpenedQueue>;
}

interface Consumer {
  readonly given: JobHint[];
  leave(): void;
}

function consume(queue: JobQueue, pilot: string, device = 'cpu'): Consumer {
  const given: JobHint[] = [];
  const leave = queue.consume({ pilot, sessionId: 's', device, deliver: (hint) => given.push(hint) });
  return { given, leave };
}

const jobsOf = ({ given }: Consumer) => given.map(({ job }) => job);

export function jobQueueContract(t: Test, open: (t: Test) => Promise<OpenedQueue>): void {
  t.test('while the executor is strictly off nobody is given anything', async (t) => {
    const opened = await open(t);
    await opened.pilot('p1', { slots: 2 });
    const consumer = consume(opened.queue, 'p1');
    await opened.switched('off');
    await opened.queued(['j1']);
    await until('it waits', async () => (await opened.queue.depth('cpu')) === 1);
    t.equal(opened.queue.delivered, 0);
    t.strictSame(jobsOf(consumer), []);
    await opened.switched('on');
    await until('it is given', () => consumer.given.length === 1);
  });

  t.test('a batch is delivered once, in its order, which is that of rank, to who has room', async (t) => {
    const opened = await open(t);
    await opened.pilot('p1', { slots: 2 });
    const consumer = consume(opened.queue, 'p1');
    await opened.queued(['j1', 'j2', 'j3']);
    await until('it has two', () => consumer.given.length >= 2);
    t.match(consumer.given, [
      { job: 'j1', curRetry: 0 },
      { job: 'j2', curRetry: 0 },
    ]);
    t.equal(opened.queue.delivered, 2);
    t.equal(await opened.queue.depth('cpu'), 3);
    await opened.granted('j1', 'p1');
    t.equal(await opened.queue.depth('cpu'), 2);
    await opened.queued(['j4']);
    t.strictSame(jobsOf(consumer), ['j1', 'j2'], 'what was granted takes its slot');
  });

  t.test('hints of a device go to its pilots alone', async (t) => {
    const opened = await open(t);
    await opened.pilot('g1', { device: 'gpu', slots: 9 });
    const gpu = consume(opened.queue, 'g1', 'gpu');
    await opened.queued(['j1']);
    await opened.pilot('p1');
    const cpu = consume(opened.queue, 'p1');
    await until('the right one has it', () => cpu.given.length > 0);
    t.strictSame(jobsOf(gpu), []);
  });

  t.test('what its consumer leaves behind goes to others', async (t) => {
    const opened = await open(t);
    await opened.pilot('p1');
    const first = consume(opened.queue, 'p1');
    await opened.queued(['j1']);
    await until('it has it', () => first.given.length > 0);
    await opened.pilot('p2');
    const second = consume(opened.queue, 'p2');
    first.leave();
    await until('the other one has it', () => second.given.length > 0);
    t.strictSame(jobsOf(second), ['j1']);
  });

  t.test('what is out with a pilot that is drained goes to others', async (t) => {
    const opened = await open(t);
    await opened.pilot('p1');
    const first = consume(opened.queue, 'p1');
    await opened.queued(['j1']);
    await until('it has it', () => first.given.length > 0);
    await opened.pilot('p2');
    const second = consume(opened.queue, 'p2');
    await opened.drained('p1');
    await until('the other one has it', () => second.given.length > 0);
    t.strictSame([jobsOf(first), jobsOf(second)], [['j1'], ['j1']]);
  });

  t.test('what was released comes again, what was taken does not', async (t) => {
    const opened = await open(t);
    await opened.pilot('p1', { slots: 2 });
    const consumer = consume(opened.queue, 'p1');
    await opened.queued(['j1', 'j2']);
    await until('it has both', () => consumer.given.length === 2);
    opened.queue.settle('p1', 'j1', 'released');
    opened.queue.settle('p1', 'j2', 'taken');
    opened.queue.settle('p9', 'j2', 'released');
    await until('it comes again', () => {
      opened.pass();
      return consumer.given.length > 2;
    });
    t.strictSame(jobsOf(consumer), ['j1', 'j2', 'j1']);
  });

  t.test(
    'a pilot that takes nothing for a while is given again what nobody has taken meanwhile',
    async (t) => {
      const opened = await open(t);
      await opened.pilot('p1', { slots: 2 });
      const before = consume(opened.queue, 'p1');
      await opened.queued(['j1', 'j2']);
      await until('it has both', () => before.given.length === 2);
      before.leave();
      await opened.pilot('p2', { slots: 1 });
      const other = consume(opened.queue, 'p2');
      await until('another has one', () => other.given.length === 1);
      const [taken = ''] = jobsOf(other);
      await opened.granted(taken, 'p2');
      const after = consume(opened.queue, 'p1');
      await until('it has one again', () => after.given.length === 1);
      t.strictSame([taken, ...jobsOf(after)].sort(), ['j1', 'j2']);
    },
  );

  t.test('what is published again is delivered again, though it is out', async (t) => {
    const opened = await open(t);
    await opened.pilot('p1');
    const consumer = consume(opened.queue, 'p1');
    await opened.queued(['j1']);
    await until('it has it', () => consumer.given.length === 1);
    await opened.requeued('j1');
    await until('it comes again', () => consumer.given.length === 2);
    t.strictSame(jobsOf(consumer), ['j1', 'j1']);
  });

  t.test('nothing is forgotten over a restart', async (t) => {
    const opened = await open(t);
    await opened.pilot('p1', { slots: 3 });
    const before = consume(opened.queue, 'p1');
    await opened.queued(['j1', 'j2']);
    await until('both are out', () => before.given.length === 2);
    await opened.granted('j1', 'p1');
    const again = await opened.reopen();
    const after = consume(again.queue, 'p1');
    await until('what was not settled comes again', () => after.given.length > 0);
    t.strictSame(jobsOf(after), ['j2'], 'and nothing else');
  });
}
