/** Many who ask for all tasks at once: how often the answer is copied within one turn of the event loop. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { orderFor, startTalentNode } from '../../../../support/talent-node.js';

const TASKS = 50;
const CALLERS = 8;
/** What gRPC puts before a message. */
const PREFIX_BYTES = 5;

t.test('the answer that many share is copied for one of them in each turn', async (t) => {
  const node = await startTalentNode(t);
  await Promise.all(Array.from({ length: TASKS }, (_, n) => node.client.create(orderFor(`task_${n}`))));
  let turn = 0;
  let isOver = false;
  const turns = (async () => {
    for (; !isOver; turn++) await nextTurn();
  })();
  const copiedIn: number[] = [];
  const { copy } = Buffer.prototype;
  t.teardown(() => {
    Buffer.prototype.copy = copy;
  });
  Buffer.prototype.copy = function (this: Buffer, ...given: Parameters<Buffer['copy']>) {
    if (this.length > 50 * TASKS && given[0].length === this.length + PREFIX_BYTES) copiedIn.push(turn);
    return copy.apply(this, given);
  };
  for (const request of ['plot_task_status_all', 'plot_task_status']) {
    copiedIn.length = 0;
    const answers = await Promise.all(Array.from({ length: CALLERS }, () => node.tasks(request)));
    t.same(
      answers.map(({ length }) => length),
      Array(CALLERS).fill(TASKS),
    );
    t.equal(copiedIn.length, CALLERS, request);
    t.equal(new Set(copiedIn).size, CALLERS, `in the turns ${copiedIn}`);
  }
  isOver = true;
  await turns;
});
