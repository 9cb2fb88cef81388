/** Answers about everything: who shares one, who is refused, and what becomes of one that nobody waits for. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { WholeAnswers } from '../../../src/node/serving/whole-answers.js';
import { ofKind } from '../../support/events.js';

/** Answers that are made when `finish` is called, one after the other. */
function making() {
  const finish: ((size: number) => void)[] = [];
  const gone: AbortSignal[] = [];
  const make = (signal: AbortSignal) => {
    gone.push(signal);
    return new Promise<Buffer>((resolve, reject) => {
      finish.push((size) => resolve(Buffer.alloc(size)));
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  };
  return { make, finish, gone };
}

const open = () => new AbortController();

t.test('one is made at a time; equal questions share the next one, not the one that has begun', async (t) => {
  const answers = new WholeAnswers('ask for less');
  const { make, finish, gone } = making();
  const first = answers.ask('all', open().signal, make);
  await nextTurn();
  t.equal(gone.length, 1, 'begun');
  const later = ['all', 'all', 'waiting'].map((question) => answers.ask(question, open().signal, make));
  await nextTurn();
  t.equal(gone.length, 1);
  finish[0]?.(1);
  t.equal((await first).length, 1);
  await nextTurn();
  t.equal(gone.length, 2);
  finish[1]?.(2);
  const [second, third] = await Promise.all(later.slice(0, 2));
  t.equal(second, third, 'the very same bytes');
  await nextTurn();
  finish[2]?.(3);
  t.equal((await later[2])?.length, 3);
});

t.test('one that nobody waits for is given up, and not even begun', async (t) => {
  const answers = new WholeAnswers('ask for less');
  const { make, finish, gone } = making();
  const callers = [open(), open(), open()];
  const asked = callers.map(({ signal }, n) =>
    answers.ask(n === 2 ? 'other' : 'all', signal, make).catch((error) => error),
  );
  await nextTurn();
  callers[0]?.abort(new Error('gone'));
  t.match(await asked[0], { message: 'gone' });
  t.notOk(gone[0]?.aborted, 'somebody still waits for it');
  callers[2]?.abort(new Error('gone too'));
  await asked[2];
  callers[1]?.abort();
  await asked[1];
  t.ok(gone[0]?.aborted);
  await nextTurn();
  t.equal(gone.length, 1, 'the other was never begun');
  const next = answers.ask('all', open().signal, make);
  await nextTurn();
  finish[1]?.(1);
  t.equal((await next).length, 1, 'the next one is made');
});

t.test('too many who wait, and too much that is unread, is refused until it is over', async (t) => {
  const answers = new WholeAnswers('ask for less', { waiting: 2, bytes: 10 });
  const { make, finish } = making();
  const readers = [open(), open()];
  const asked = readers.map(({ signal }) => answers.ask('all', signal, make).catch((error) => error));
  await t.rejects(answers.ask('all', open().signal, make), {
    ...ofKind('retryable'),
    message: /or ask for less$/,
  });
  await nextTurn();
  finish[0]?.(100);
  const [given, refused] = await Promise.all(asked);
  t.equal(given.length, 100, 'one larger answer is given all the same');
  t.match(refused, { kind: 'retryable' });
  await t.rejects(answers.ask('all', open().signal, make), ofKind('retryable'));
  readers[0]?.abort();
  const next = answers.ask('all', open().signal, make);
  await nextTurn();
  finish[1]?.(1);
  t.equal((await next).length, 1);
});

t.test('who asks after all others have gone does not wait for what they gave up', async (t) => {
  const answers = new WholeAnswers('ask for less');
  const { make, finish } = making();
  const first = answers.ask('all', open().signal, make);
  const leaving = open();
  const given = answers.ask('waiting', leaving.signal, make).catch((error) => error);
  leaving.abort(new Error('gone'));
  await given;
  const next = answers.ask('waiting', open().signal, make);
  await nextTurn();
  finish[0]?.(1);
  await first;
  await nextTurn();
  finish[1]?.(2);
  t.equal((await next).length, 2);
});

t.test('who goes in the turn in which its answer is made leaves nothing that counts as unread', async (t) => {
  // Between the answer and who waits for it lie some microtasks: it goes before each of them.
  for (let microtasks = 0; microtasks < 12; microtasks++) {
    const answers = new WholeAnswers('ask for less', { bytes: 10 });
    const { make, finish } = making();
    const leaving = open();
    const given = answers.ask('all', leaving.signal, make).catch((error) => error);
    await nextTurn();
    finish[0]?.(100);
    for (let passed = 0; passed < microtasks; passed++) await Promise.resolve();
    leaving.abort(new Error('gone'));
    await given;
    const next = answers.ask('all', open().signal, make);
    await nextTurn();
    finish[1]?.(1);
    t.equal((await next).length, 1, `nothing is on its way after ${microtasks}`);
  }
});

t.test('those who share one are given it one after the other, each in a turn of its own', async (t) => {
  const answers = new WholeAnswers('ask for less');
  const { make, finish } = making();
  let turn = 0;
  let isOver = false;
  const turns = (async () => {
    for (; !isOver; turn++) await nextTurn();
  })();
  const givenIn: number[] = [];
  const leaving = open();
  const gone = answers.ask('all', leaving.signal, make).catch((error) => error);
  const asked = Array.from({ length: 8 }, () =>
    answers.ask('all', open().signal, make).then(() => givenIn.push(turn)),
  );
  await nextTurn();
  finish[0]?.(1);
  leaving.abort(new Error('gone'));
  await Promise.all(asked);
  t.match(await gone, { message: 'gone' });
  isOver = true;
  await turns;
  t.equal(new Set(givenIn).size, 8, `given in the turns ${givenIn}`);
});
