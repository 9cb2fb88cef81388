/** What stays and what goes where not all tasks fit into an answer. */

import t from 'tap';
import { FittingTasks } from '../../../../../src/systems/talent/service/shown/answered-tasks.js';

/** @param tasks `r10`: one that is running, of ten bytes; f ended */
function fitted(mostBytes: number, tasks: string): { shown: string; leftOut: number } {
  const fitting = new FittingTasks(mostBytes, 1);
  for (const [index, task] of tasks.split(' ').entries()) {
    const bytes = Number(task.slice(1));
    const name = String.fromCharCode(97 + index);
    fitting.add(task.startsWith('f') ? 'finished' : 'running', [
      Buffer.from(name),
      Buffer.alloc(bytes - 1, '.'),
    ]);
  }
  const bytes = fitting.encoded();
  // A field of its own, when there is something to say.
  const end = fitting.leftOut > 0 ? bytes.length - 2 : bytes.length;
  t.same([...bytes.subarray(end)], fitting.leftOut > 0 ? [8, fitting.leftOut] : []);
  const shown = bytes.subarray(0, end).toString();
  t.ok(shown.length <= mostBytes);
  t.equal(fitting.tasks, shown.replaceAll('.', '').length);
  return { shown: shown.replaceAll('.', ''), leftOut: fitting.leftOut };
}

t.test('what fits stays in its order', async (t) => {
  t.same(fitted(40, 'f10 r10 f10 r10'), { shown: 'abcd', leftOut: 0 });
  t.same(fitted(Number.POSITIVE_INFINITY, 'r1 f1'), { shown: 'ab', leftOut: 0 });
});

t.test('those that ended longest ago go first, then the newest of those under way', async (t) => {
  t.same(fitted(39, 'f10 r10 f10 r10'), { shown: 'bcd', leftOut: 1 });
  t.same(fitted(20, 'f10 r10 f10 r10'), { shown: 'bd', leftOut: 2 });
  t.same(fitted(20, 'f10 f10 f10 f10'), { shown: 'cd', leftOut: 2 });
  t.same(fitted(20, 'r10 f10 r10 r10 f10'), { shown: 'ac', leftOut: 3 });
  t.same(fitted(25, 'f5 f5 f5 f10 r20'), { shown: 'e', leftOut: 4 });
  t.same(fitted(5, 'r10 f10 r4'), { shown: 'c', leftOut: 2 }, 'one that never fits keeps no other out');
});
