/** Memory that jobs ask for: the sum of those that were let in never exceeds what there is. */

import t from 'tap';
import { hearOut } from '../../../../src/base/listening-time.js';
import { MemoryBook } from '../../../../src/systems/workload/machine/memory-book.js';

const NEVER = new AbortController().signal;

t.test('who finds no room waits, in order, and leaves nothing when it gives up', async (t) => {
  const book = new MemoryBook(100);
  const letIn: string[] = [];
  const take = async (name: string, mib: number, signal = NEVER): Promise<void> => {
    await book.take(mib, signal);
    letIn.push(name);
  };
  await take('a', 60);
  const leaving = new AbortController();
  const left = t.rejects(take('b', 50, leaving.signal), { message: 'gone' });
  const waiting = [take('c', 70), take('d', 10)];
  await hearOut();
  t.same(letIn, ['a'], 'also who would have room waits behind who came before');
  leaving.abort(new Error('gone'));
  await left;
  book.giveBack(60);
  await Promise.all(waiting);
  t.same(letIn, ['a', 'c', 'd']);
  t.ok(book.hasRoomFor(100));
  t.notOk(book.hasRoomFor(101));
});

t.test('of nothing that is offered nothing is counted', async (t) => {
  const book = new MemoryBook(0);
  await book.take(1_000_000, NEVER);
  await book.take(1_000_000, NEVER);
  t.ok(book.hasRoomFor(1_000_000));
});
