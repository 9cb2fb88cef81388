/** Ids by their beginnings: what is shown can be given back, and what is ambiguous is refused with the candidates. */

import t from 'tap';
import { resolveTaskId, shortIds, type TaskLookup } from '../../../../src/systems/talent/cli/task-ids.js';

/** A farm with these tasks, that finds them as a talent does. */
function farm(...ids: readonly string[]): TaskLookup & { readonly asked: number[] } {
  const asked: number[] = [];
  return {
    asked,
    status: async ({ task_id: id = '' }) => (ids.includes(id) ? { existed: true } : {}),
    list: async ({ task_id_prefix: prefix = '', page_size: size = 100 }) => {
      asked.push(size);
      const found = ids.filter((id) => id.startsWith(prefix)).slice(0, size);
      return { tasks: found.map((task_id) => ({ task_id })) };
    },
  };
}

t.test('shown is the shortest unique beginning, with eight characters of its own at least', async (t) => {
  const a = 'task_3f2a91b4-0000-4000-8000-000000000001';
  const b = 'task_3f2a91b4-0000-4000-8000-000000000002';
  const c = 'task_77777777-0000-4000-8000-000000000003';
  const hash = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03';
  const shown = shortIds([a, b, c, hash, 'short', a]);
  t.strictSame([...shown].sort(), [
    [hash, '5891b5b5'],
    ['short', 'short'],
    [a, a],
    [b, b],
    [c, 'task_77777777'],
  ]);
});

t.test('an id that others begin with is shown whole, and they a character longer', async (t) => {
  t.strictSame(
    [...shortIds(['plot-number-1', 'plot-number-12'])],
    [
      ['plot-number-1', 'plot-number-1'],
      ['plot-number-12', 'plot-number-12'],
    ],
  );
  t.equal(shortIds(['plot-number-1', 'plot-number-1234']).get('plot-number-1234'), 'plot-number-12');
});

t.test('every beginning that is shown names exactly that task again', async (t) => {
  const ids = Array.from(
    { length: 300 },
    (_, n) => `task_${(n * 7919).toString(16).padStart(6, '0')}${n % 3}${n}`,
  );
  for (const [id, text] of shortIds(ids))
    t.strictSame(
      ids.filter((other) => other.startsWith(text)),
      [id],
    );
});

t.test('a beginning of one id resolves to it, and a whole id also when others begin with it', async (t) => {
  t.equal(await resolveTaskId(farm('task_a1', 'task_b2'), 'task_a'), 'task_a1');
  t.equal(await resolveTaskId(farm('task_1', 'task_12'), 'task_1'), 'task_1');
});

t.test('no such task', async (t) => {
  await t.rejects(resolveTaskId(farm('task_a1'), 'task_b'), {
    kind: 'not_found',
    message: 'no task has an id that begins with "task_b"; `owl plot list` shows all',
  });
});

t.test('several candidates are listed, ten at the most', async (t) => {
  await t.rejects(resolveTaskId(farm('task_a1', 'task_a2', 'task_b'), 'task_a'), {
    kind: 'refused',
    message: '"task_a" is the beginning of several ids; give more of the one you mean:\n  task_a1\n  task_a2',
  });
  const many = farm(...Array.from({ length: 500 }, (_, n) => `t${n}`));
  await t.rejects(resolveTaskId(many, 't'), { message: /t8\n {2}t9\n {2}… and more$/ });
  t.strictSame(many.asked, [11], 'no more are asked for than are needed');
});

t.test('nothing is the beginning of everything, so it is refused as usage', async (t) => {
  await t.rejects(resolveTaskId(farm('task_a1'), ''), { name: 'UsageError' });
});
